import { type Dataset, FIRST_ID } from "./dataset.js";

/** Events of eight fields, 165 bytes of JSON. */
export const narrow: Dataset = {
  name: "narrow",
  period: 500_000,
  beforeId: '{"id":',
  fields: [
    { name: "id", type: "bigint", value: (index) => FIRST_ID + index },
    { name: "kind", type: "text", value: (index) => ["opened", "clicked", "größer", "closed"][index % 4]! },
    { name: "user_id", type: "bigint", value: (index) => 50_000 + ((index * 7919) % 40_000) },
    {
      name: "session",
      type: "text",
      value: (index) => `s${((index * 48_271) % 2_147_483_647).toString(36)}`,
    },
    {
      name: "start_time",
      type: "timestamp",
      value: (index) => new Date(1_704_067_200_000 + index * 1000).toISOString(),
    },
    { name: "duration", type: "bigint", value: (index) => (index * 31) % 3600 },
    { name: "price", type: "double", value: (index) => ((index * 13) % 10_000) / 64 + 0.015625 },
    { name: "active", type: "boolean", value: (index) => index % 3 === 0 },
  ],
  lists: [],
};
