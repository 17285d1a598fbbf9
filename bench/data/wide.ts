import { type Dataset, FIRST_ID, type Field, type Scalar } from "./dataset.js";

/**
 * Calls as a call tracking API tells of them: 59 fields, of which 40 hold text (26 of them on average, 15 characters
 * each, some beyond ASCII, some escaped), a nested object of five, a list of 0 to 3 objects and one of 0 to 2 strings;
 * 1.9 KB of JSON.
 */
const MINUTE = 60_000;
const EPOCH = Date.UTC(2024, 0, 1);

const CITIES = [
  "Ravensbrück",
  "San Francisco",
  "Göttingen",
  "Springfield",
  "Saint-Étienne",
  "Portsmouth",
  "Kraków",
];
const NAMES = [
  "Ada Lovelace",
  "Jürgen Müßig",
  "Grace Hopper",
  "Siobhán O’Neill",
  "Omar Haddad",
  "José Núñez",
  "Mary Ann Evans",
];
const CAMPAIGNS = [
  "spring-roofing-2025",
  "brand search – exact",
  "retargeting display",
  "café locator",
  "newsletter q3",
];
const WORDS = [
  "estimate",
  "appointment",
  "leaking roof",
  "Kostenvoranschlag",
  "insurance claim",
  "déjà client",
  "callback",
];
const HOSTS = ["www.example.com", "landing.example.net", "shop.example.org"];
const NOTES = [
  'said "call me back"\nafter five',
  "no escapes in this one",
  "C:\\calls\\today",
  "asked for a written estimate",
  "tab\there, and – there",
];

const pick = <T>(values: readonly T[], index: number): T => values[index % values.length]!;

/** Spreads neighbours: equal indices give equal numbers below `below`. */
function spread(index: number, salt: number, below: number): number {
  return (Math.imul(index + salt * 7919, 2654435761) >>> 8) % below;
}

const at = (milliseconds: number) => new Date(milliseconds).toISOString();

const text = (name: string, value: (index: number) => Scalar): Field => ({ name, type: "text", value });
const integer = (name: string, value: (index: number) => Scalar): Field => ({ name, type: "bigint", value });
const decimal = (name: string, value: (index: number) => Scalar): Field => ({ name, type: "double", value });
const flag = (name: string, value: (index: number) => Scalar): Field => ({ name, type: "boolean", value });
const instant = (name: string, value: (index: number) => Scalar): Field => ({
  name,
  type: "timestamp",
  value,
});

/** Null in `nulls` records of ten, and never in the first one, so that a first page shows every type. */
const sparse = (nulls: number, value: (index: number) => Scalar): ((index: number) => Scalar) => {
  const salt = nulls * 31 + value.toString().length;
  return (index) => (index % 100 !== 0 && spread(index, salt, 10) < nulls ? null : value(index));
};

const phone = (index: number, salt: number) =>
  `+1555${String(spread(index, salt, 10_000_000)).padStart(7, "0")}`;
const token = (index: number, salt: number, size: number) =>
  `${spread(index, salt, 2 ** 24).toString(36)}${spread(index, salt + 1, 2 ** 24).toString(36)}`.padStart(
    size,
    "x",
  );

const fields: readonly Field[] = [
  text("id", (index) => `CAL${FIRST_ID + index}`),
  text("account_id", () => "ACC81547a3c19e"),
  integer("company_id", (index) => 1000 + (index % 7)),
  text("company_name", (index) => `${pick(CITIES, index)} Roofing`),
  text("company_time_zone", (index) => pick(["America/New_York", "Europe/Berlin"], index)),
  flag("answered", (index) => index % 3 > 0),
  flag("first_call", (index) => index % 5 === 0),
  flag("voicemail", (index) => index % 11 === 0),
  instant("start_time", (index) => at(EPOCH + index * MINUTE + 236).replace("Z", "+00:00")),
  instant("created_at", (index) => at(EPOCH + index * MINUTE + 1_000)),
  instant("updated_at", (index) => at(EPOCH + index * MINUTE + 90_000)),
  integer("duration", (index) => spread(index, 1, 1800)),
  integer("ring_time", (index) => spread(index, 2, 45)),
  integer("total_calls", (index) => 1 + (index % 9)),
  integer("prior_calls", (index) => index % 9),
  integer("agent_id", (index) => 7_000_000 + spread(index, 3, 40)),
  decimal("value", (index) => spread(index, 4, 200_000) / 64),
  text("direction", (index) => pick(["inbound", "outbound"], index >> 2)),
  text("call_type", (index) => pick(["completed", "abandoned", "voicemail"], index)),
  text("customer_name", (index) => pick(NAMES, spread(index, 5, 997))),
  text("customer_city", (index) => pick(CITIES, spread(index, 6, 997))),
  text("customer_state", (index) => pick(["CA", "NY", "TX", "WA"], index)),
  text("customer_country", () => "US"),
  text("customer_phone_number", (index) => phone(index, 7)),
  text("tracking_phone_number", (index) => phone(index % 500, 8)),
  text("business_phone_number", (index) => phone(index % 50, 9)),
  text(
    "formatted_customer_name",
    sparse(2, (index) => pick(NAMES, spread(index, 5, 997)).toUpperCase()),
  ),
  text("formatted_duration", (index) => `${1 + spread(index, 1, 30)}m ${spread(index, 10, 60)}s`),
  text(
    "formatted_value",
    sparse(5, (index) => `$${spread(index, 4, 9000)}.50`),
  ),
  text(
    "agent_email",
    sparse(3, (index) => `agent${spread(index, 3, 40)}@example.com`),
  ),
  text(
    "campaign",
    sparse(4, (index) => pick(CAMPAIGNS, spread(index, 11, 997))),
  ),
  text("source", (index) =>
    pick(["Google Ads", "Direct", "Bing Organic", "Facebook"], spread(index, 12, 997)),
  ),
  text(
    "source_name",
    sparse(2, (index) => `${pick(CAMPAIGNS, spread(index, 11, 997))} ${index % 3}`),
  ),
  text(
    "medium",
    sparse(5, (index) => pick(["cpc", "organic", "referral", "social"], index)),
  ),
  text(
    "keywords",
    sparse(6, (index) => `${pick(WORDS, index)} near me`),
  ),
  text(
    "landing_page_url",
    sparse(4, (index) => `https://${pick(HOSTS, index)}/l/${token(index, 13, 9)}`),
  ),
  text(
    "last_requested_url",
    sparse(6, (index) => `https://${pick(HOSTS, index)}/p/${index % 400}?utm=x`),
  ),
  text(
    "referring_url",
    sparse(7, (index) => `https://${pick(HOSTS, index + 1)}/`),
  ),
  text(
    "referrer_domain",
    sparse(6, (index) => pick(HOSTS, index + 1)),
  ),
  text(
    "device_type",
    sparse(4, (index) => pick(["iPhone", "Android phone", "Desktop"], index)),
  ),
  text(
    "utm_source",
    sparse(6, (index) => pick(["google", "bing", "facebook"], index)),
  ),
  text(
    "utm_medium",
    sparse(6, (index) => pick(["cpc", "email", "display"], index)),
  ),
  text(
    "utm_campaign",
    sparse(7, (index) => pick(CAMPAIGNS, index)),
  ),
  text(
    "utm_term",
    sparse(8, (index) => pick(WORDS, index)),
  ),
  text(
    "utm_content",
    sparse(8, (index) => `creative ${index % 60}`),
  ),
  text(
    "gclid",
    sparse(7, (index) => token(index, 15, 20)),
  ),
  text(
    "session_uuid",
    sparse(5, (index) => `${token(index, 17, 12)}-${token(index, 19, 12)}`),
  ),
  text(
    "recording",
    sparse(3, (index) => `https://api.example.com/r/${token(index, 21, 12)}`),
  ),
  text(
    "recording_player",
    sparse(8, (index) => `https://app.example.com/play/${index % 977}`),
  ),
  text(
    "recording_duration",
    sparse(3, (index) => String(spread(index, 1, 1800))),
  ),
  text(
    "transcription",
    sparse(8, (index) => `Hello, this is ${pick(NAMES, index)} about the ${pick(WORDS, index)}.`),
  ),
  text("note", (index) => pick(NOTES, spread(index, 23, 997))),
  text(
    "lead_status",
    sparse(4, (index) => pick(["good_lead", "not_a_lead", "previously_marked"], index)),
  ),
  text(
    "sentiment",
    sparse(6, (index) => pick(["positive", "neutral", "negative"], index)),
  ),
  text(
    "waveform_id",
    sparse(7, (index) => token(index, 25, 11)),
  ),
  text(
    "zip_code",
    sparse(3, (index) => String(10_000 + spread(index, 27, 89_999))),
  ),
];

const tags = {
  name: "tags",
  scalar: false,
  fields: [
    integer("id", () => null),
    text("name", () => null),
    text("color", () => null),
    text("background_color", () => null),
    flag("configured", () => null),
  ],
  length: (index: number) => index % 4,
  value(index: number, position: number, field: Field): Scalar {
    if (field.name === "id") return 400 + ((index + position) % 90);
    if (field.name === "name") return pick(WORDS, index + position);
    if (field.name === "configured") return (index + position) % 2 === 0;
    return field.name === "color" ? "gray1" : `#${(index % 16).toString(16)}a0b0c`;
  },
};

const keywords = {
  name: "keywords_spotted",
  scalar: true,
  fields: [text("value", () => null)],
  length: (index: number) => index % 3,
  value: (index: number, position: number) => pick(WORDS, spread(index, 29, 997) + position),
};

export const wide: Dataset = {
  name: "wide",
  period: 100_000,
  beforeId: '{"id":"CAL',
  fields,
  object: {
    name: "milestones",
    fields: [
      text("lead_source", (index) => pick(CAMPAIGNS, index + 1)),
      instant("qualified_at", (index) => at(EPOCH + index * MINUTE + 3_600_000)),
      integer("touches", (index) => index % 13),
      decimal("score", (index) => (index % 1000) / 8 + 0.125),
      flag("won", (index) => index % 6 === 0),
    ],
  },
  lists: [tags, keywords],
};
