/**
 * Made-up call tracking data, the same for the same seed. A record is computed from its number alone, so a hundred
 * thousand calls take no memory and any page can be made at once.
 */
export const RESOURCES = ["calls", "conversations", "users", "companies"] as const;
export type ResourceName = (typeof RESOURCES)[number];
export type Counts = Readonly<Record<ResourceName, number>>;
export type ApiRecord = Readonly<Record<string, unknown>>;

export const DEFAULT_COUNTS: Counts = { calls: 1000, conversations: 400, users: 25, companies: 12 };

const PREFIXES: Readonly<Record<ResourceName, string>> = {
  calls: "CAL",
  conversations: "SMT",
  users: "USR",
  companies: "COM",
};

/** The record with this number; the first one is the oldest. */
export function recordAt(resource: ResourceName, index: number, seed: number, counts: Counts): ApiRecord {
  return MAKERS[resource](index, seed, counts);
}

/** `CAL` and 32 hexadecimal digits: the last eight hide the number, the others are chance. */
export function idAt(resource: ResourceName, index: number, seed: number): string {
  const random = randomFor(resource, index, seed);
  const chance = (): string => hex(random.bits());
  return `${PREFIXES[resource]}${chance()}${chance()}${chance()}${hex((index ^ ID_MASK) >>> 0)}`;
}

/** The number of the record with this id, if there is one below `count`. */
export function indexOf(resource: ResourceName, id: string, seed: number, count: number): number | undefined {
  const index = (Number.parseInt(id.slice(-8), 16) ^ ID_MASK) >>> 0;
  return index < count && idAt(resource, index, seed) === id ? index : undefined;
}

const ID_MASK = 0x5bd1e995;
const FIRST_CALL = Date.UTC(2024, 0, 1);
const MINUTE = 60_000;

const ZONES = [
  { name: "America/New_York", offset: -300 },
  { name: "America/Los_Angeles", offset: -480 },
  { name: "Europe/Berlin", offset: 60 },
  { name: "Asia/Kolkata", offset: 330 },
  { name: "Asia/Kathmandu", offset: 345 },
  { name: "Etc/UTC", offset: 0 },
] as const;

const COMPANY_NAMES = [
  "Brightwater Plumbing",
  "Müller & Söhne Dachbau",
  "Café Ōkami",
  "O'Neill Dental",
  "Ríos Abogados",
  "北星クリニック",
  "Harbor Auto Glass",
  "Żabka Logistics",
];
const FIRST_NAMES = [
  "Ada",
  "Zoë",
  "José",
  "Łukasz",
  "Siobhán",
  "Ольга",
  "太郎",
  "Nguyễn",
  "Renée",
  "Grace",
  "Omar",
];
const LAST_NAMES = [
  "Krüger",
  "Núñez",
  "O'Brien",
  "Wójcik",
  "山田",
  "Смирнова",
  "Dupont",
  "Hopper",
  "Haddad",
  "Lee",
];
const CITIES = [
  { city: "Denver", state: "CO", country: "US" },
  { city: "São Paulo", state: "SP", country: "BR" },
  { city: "Zürich", state: "ZH", country: "CH" },
  { city: "Montréal", state: "QC", country: "CA" },
  { city: "Austin", state: "TX", country: "US" },
] as const;
const CHANNELS = [
  { source: "Google Ads", medium: "CPC", code: "google_paid" },
  { source: "Google Organic", medium: "Organic", code: "google_organic" },
  { source: "Facebook", medium: "Social", code: "facebook" },
  { source: "Direct", medium: "Direct", code: "direct" },
] as const;
const CAMPAIGNS = ["spring-sale", "brand_exact", "Été 2024", "retargeting 10%"];
const KEYWORDS = [
  "emergency plumber",
  "roof repair near me",
  "dentist open sunday",
  "windshield replacement",
];
const HIGHLIGHTS = ["asked for a price", "wants an appointment", "mentions a competitor", "very satisfied"];
const NOTES = ["Call back on Monday", 'Said "maybe"; send the offer', "Très intéressé 🎉", "line 1\nline 2"];
const TAGS = [
  { id: 101, name: "Qualified", color: "green1" },
  { id: 102, name: "Spam?", color: "red1" },
  { id: 103, name: "Rückruf", color: "blue2" },
] as const;
const MESSAGES = [
  "Hi, are you open today?",
  "Yes, until 6 pm 🙂",
  "¿Cuánto cuesta?",
  "STOP",
  "Thanks – see you then!",
];

interface Random {
  /** A number in [0, 1). */
  next(): number;
  bits(): number;
  below(limit: number): number;
  chance(probability: number): boolean;
  pick<T>(list: readonly T[]): T;
  /** The value, or null in the given share of cases. */
  maybe<T>(probability: number, value: T): T | null;
}

/** mulberry32: small, fast, and good enough for made-up data. */
function random(seed: number): Random {
  let state = seed >>> 0;
  const bits = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  const next = (): number => bits() / 0x1_0000_0000;
  const below = (limit: number): number => Math.floor(next() * limit);
  const chance = (probability: number): boolean => next() < probability;
  return {
    next,
    bits,
    below,
    chance,
    pick: (list) => list[below(list.length)]!,
    maybe: (probability, value) => (chance(probability) ? value : null),
  };
}

function randomFor(resource: ResourceName, index: number, seed: number): Random {
  const salt = RESOURCES.indexOf(resource) + 1;
  return random(Math.imul(seed ^ (salt * 0x9e3779b9), 0x85ebca6b) ^ Math.imul(index + 1, 0xc2b2ae35));
}

const hex = (bits: number): string => bits.toString(16).padStart(8, "0");
const digits = (value: number, length: number): string => String(value).padStart(length, "0");

/** ISO 8601 with milliseconds and the company's offset, as 2018-02-19T13:41:00.236-05:00. */
function timestamp(ms: number, offset: number): string {
  const local = new Date(ms + offset * MINUTE).toISOString().slice(0, -1);
  const minutes = Math.abs(offset);
  return `${local}${offset < 0 ? "-" : "+"}${digits(Math.floor(minutes / 60), 2)}:${digits(minutes % 60, 2)}`;
}

function companyFacts(index: number, seed: number) {
  return {
    id: idAt("companies", index, seed),
    name: `${COMPANY_NAMES[index % COMPANY_NAMES.length]!}${index < COMPANY_NAMES.length ? "" : ` ${index}`}`,
    zone: ZONES[index % ZONES.length]!,
  };
}

/** Numbers from the range that is set aside for fiction: 555-0100 to 555-0199. */
function phone(chance: Random) {
  const area = 200 + chance.below(700);
  const line = digits(100 + chance.below(100), 4);
  return { number: `+1${area}555${line}`, formatted: `${area}-555-${line}` };
}

function person(chance: Random) {
  return { first: chance.pick(FIRST_NAMES), last: chance.pick(LAST_NAMES) };
}

function milestone(chance: Random, ms: number, offset: number) {
  const channel = chance.pick(CHANNELS);
  return {
    event_date: timestamp(ms, offset),
    source: channel.source,
    medium: channel.medium,
    campaign: chance.maybe(0.5, chance.pick(CAMPAIGNS)),
    keywords: chance.maybe(0.4, chance.pick(KEYWORDS)),
    landing: "https://www.example.com/",
    referrer: channel.medium === "Direct" ? null : `https://${channel.code}.example.com/`,
    device: chance.pick(["Desktop", "Mobile", "Tablet"]),
    session_browser: chance.maybe(0.8, chance.pick(["Chrome", "Firefox", "Safari"])),
  };
}

function call(index: number, seed: number, counts: Counts): ApiRecord {
  const chance = randomFor("calls", index, seed);
  const id = idAt("calls", index, seed);
  const company = companyFacts(chance.below(Math.max(1, counts.companies)), seed);
  const { offset } = company.zone;
  const startedAt = FIRST_CALL + index * 7 * MINUTE + chance.below(6 * MINUTE);
  const start = timestamp(startedAt, offset);
  const answered = chance.chance(0.7);
  const seconds = answered ? 15 + chance.below(900) : chance.below(30);
  const minutes = `${Math.floor(seconds / 60)}m ${seconds % 60}s`;
  const { first, last } = person(chance);
  const name = chance.maybe(0.85, `${first} ${last}`);
  const place = chance.pick(CITIES);
  const customer = phone(chance);
  const business = phone(chance);
  const tracking = phone(chance);
  const channel = chance.pick(CHANNELS);
  const paid = channel.medium === "CPC";
  const online = channel.medium !== "Direct";
  const lead = chance.chance(0.35);
  const recorded = answered && chance.chance(0.9);
  const value =
    lead && chance.chance(0.5) ? `${50 + chance.below(4000)}.${digits(chance.below(100), 2)}` : null;
  const priorCalls = chance.below(4);
  const campaign = online ? chance.pick(CAMPAIGNS) : null;
  const keyword = paid ? chance.pick(KEYWORDS) : null;
  const landing = online
    ? `https://www.example.com/${channel.code}?c=${encodeURIComponent(campaign ?? "")}`
    : null;
  const link = `https://app.example.com/calls/${id}`;
  const agentShare = chance.below(101);
  const voicemail = !answered && chance.chance(0.4);
  return {
    agent_email: answered ? chance.maybe(0.8, `agent${chance.below(9)}@example.com`) : null,
    answered,
    business_phone_number: answered ? business.number : null,
    call_highlights: answered && chance.chance(0.4) ? [chance.pick(HIGHLIGHTS), chance.pick(HIGHLIGHTS)] : [],
    call_type: answered ? "answered" : voicemail ? "voicemail" : chance.pick(["missed", "abandoned"]),
    campaign,
    company_id: company.id,
    company_name: company.name,
    company_time_zone: company.zone.name,
    created_at: timestamp(startedAt + seconds * 1000, offset),
    customer_city: place.city,
    customer_country: place.country,
    customer_name: name,
    customer_phone_number: customer.number,
    customer_state: place.state,
    device_type: online ? chance.pick(["Desktop", "Mobile", "Tablet"]) : null,
    direction: chance.chance(0.9) ? "inbound" : "outbound",
    duration: seconds,
    fbclid: channel.code === "facebook" ? `fb.1.${hex(chance.bits())}` : null,
    first_call: priorCalls === 0,
    formatted_business_phone_number: answered ? business.formatted : null,
    formatted_call_type: answered ? "Answered" : voicemail ? "Voicemail" : "Missed",
    formatted_customer_location: `${place.city}, ${place.state}`,
    formatted_customer_name: name,
    formatted_customer_name_or_phone_number: name ?? customer.formatted,
    formatted_customer_phone_number: customer.formatted,
    formatted_duration: minutes,
    formatted_tracking_phone_number: tracking.formatted,
    formatted_tracking_source: channel.source,
    formatted_value: value === null ? "--" : `$${value}`,
    ga: online ? `GA1.2.${chance.bits()}.${Math.floor(startedAt / 1000)}` : null,
    gclid: paid ? `Cj0K${hex(chance.bits())}_${hex(chance.bits())}` : null,
    good_lead_call_id: lead ? id : null,
    good_lead_call_time: lead ? start : null,
    id,
    keypad_entries: chance.maybe(0.1, String(chance.below(10))),
    keywords: keyword,
    keywords_spotted:
      answered && chance.chance(0.3) ? [{ term: chance.pick(KEYWORDS), count: 1 + chance.below(4) }] : [],
    landing_page_url: landing,
    last_requested_url: landing === null ? null : `${landing}#contact`,
    lead_status: lead ? "good_lead" : chance.maybe(0.2, "not_a_lead"),
    medium: channel.medium,
    milestones: {
      first_touch: milestone(chance, startedAt - 86_400_000 * (1 + chance.below(30)), offset),
      lead_created: lead ? milestone(chance, startedAt, offset) : null,
      last_touch: milestone(chance, startedAt, offset),
    },
    msclkid: null,
    note: chance.maybe(0.15, chance.pick(NOTES)),
    prior_calls: priorCalls,
    recording: recorded ? `${link}/recording.json` : null,
    recording_duration: recorded ? seconds : null,
    recording_player: recorded ? `${link}/recording?access_key=${hex(chance.bits())}` : null,
    referrer_domain: online ? `${channel.code}.example.com` : null,
    referring_url: online ? `https://${channel.code}.example.com/` : null,
    source: channel.code,
    source_name: chance.maybe(0.9, `${channel.source} – main site`),
    speaker_percent: answered
      ? [
          { speaker: "agent", percent: agentShare },
          { speaker: "customer", percent: 100 - agentShare },
        ]
      : [],
    start_time: start,
    tags: TAGS.filter(() => chance.chance(0.2)).map((tag) => ({
      ...tag,
      company_id: company.id,
      created_at: start,
    })),
    timeline_url: link,
    total_calls: priorCalls + 1,
    tracker_id: `TRK${hex(chance.bits())}`,
    tracking_phone_number: tracking.number,
    utm_campaign: campaign,
    utm_content: chance.maybe(0.1, "banner-a"),
    utm_medium: online ? channel.medium.toLowerCase() : null,
    utm_source: online ? channel.code : null,
    utm_term: keyword,
    utma: null,
    utmb: null,
    utmc: null,
    utmv: null,
    utmz: null,
    value,
    voicemail,
    waveforms: recorded ? [`${link}/waveform/1.png`, `${link}/waveform/2.png`] : [],
  };
}

function conversation(index: number, seed: number, counts: Counts): ApiRecord {
  const chance = randomFor("conversations", index, seed);
  const company = companyFacts(chance.below(Math.max(1, counts.companies)), seed);
  const { offset } = company.zone;
  const { first, last } = person(chance);
  const name = chance.maybe(0.7, `${first} ${last}`);
  const customer = phone(chance);
  const initial = phone(chance);
  const current = chance.chance(0.9) ? initial : phone(chance);
  const length = 1 + chance.below(4);
  const begunAt = FIRST_CALL + index * 31 * MINUTE + chance.below(30 * MINUTE);
  const sentAt = (position: number): string => timestamp(begunAt + position * 3 * MINUTE, offset);
  const tracker = `TRK${hex(chance.bits())}`;
  return {
    company_id: company.id,
    company_name: company.name,
    company_time_zone: company.zone.name,
    current_tracker_id: tracker,
    current_tracking_number: current.number,
    customer_name: name,
    customer_phone_number: customer.number,
    formatted_current_tracking_number: current.formatted,
    formatted_customer_name: name,
    formatted_customer_phone_number: customer.formatted,
    formatted_initial_tracking_number: initial.formatted,
    id: idAt("conversations", index, seed),
    initial_tracker_id: tracker,
    initial_tracking_number: initial.number,
    last_message_at: sentAt(length - 1),
    recent_messages: Array.from({ length }, (_, position) => ({
      content: chance.maybe(0.97, chance.pick(MESSAGES)),
      created_at: sentAt(position),
      direction: position % 2 === 0 ? "incoming" : "outgoing",
    })),
    state: chance.pick(["active", "archived"]),
    tracker_name: chance.maybe(0.8, "Main line"),
  };
}

function user(index: number, seed: number): ApiRecord {
  const chance = randomFor("users", index, seed);
  const { first, last } = person(chance);
  const accepted = chance.chance(0.85);
  return {
    accepted,
    created_at: timestamp(FIRST_CALL - chance.below(500) * 1440 * MINUTE, chance.pick(ZONES).offset),
    email: `user${index}@example.com`,
    first_name: accepted ? first : null,
    id: idAt("users", index, seed),
    last_name: accepted ? last : null,
    name: accepted ? `${first} ${last}` : null,
    role: chance.pick(["admin", "manager", "reporting", "analyst"]),
  };
}

function company(index: number, seed: number): ApiRecord {
  const chance = randomFor("companies", index, seed);
  const { id, name, zone } = companyFacts(index, seed);
  const disabled = chance.chance(0.15);
  return {
    callscore_enabled: chance.chance(0.5),
    callscribe_enabled: chance.chance(0.5),
    created_at: timestamp(FIRST_CALL - (500 + chance.below(900)) * 1440 * MINUTE, zone.offset),
    disabled_at: disabled ? timestamp(FIRST_CALL, zone.offset) : null,
    dni_active: chance.maybe(0.8, chance.chance(0.7)),
    form_capture: chance.chance(0.4),
    id,
    keyword_spotting_enabled: chance.maybe(0.9, chance.chance(0.5)),
    lead_scoring_enabled: chance.chance(0.6),
    name,
    script_url: `//cdn.example.com/companies/${id}/swap.js`,
    status: disabled ? "disabled" : "active",
    swap_cookie_duration: chance.pick([1, 7, 30, 90]),
    swap_exclude_jquery: chance.maybe(0.2, "true"),
    swap_landing_override: chance.maybe(0.2, "landing"),
    swap_ppc_override: chance.maybe(0.2, "ppc"),
    time_zone: zone.name,
  };
}

const MAKERS: Readonly<Record<ResourceName, (index: number, seed: number, counts: Counts) => ApiRecord>> = {
  calls: call,
  conversations: conversation,
  users: user,
  companies: company,
};
