// AssemblyScript: kinds of values in a tape (src/json/document.ts).

export const NULL: u32 = 0;
export const TRUE: u32 = 1;
export const FALSE: u32 = 2;
export const INTEGER: u32 = 3;
export const NUMBER: u32 = 4;
export const STRING: u32 = 5;
export const ESCAPED: u32 = 6;
export const OBJECT: u32 = 7;
export const LIST: u32 = 8;
