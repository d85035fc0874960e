/** Claims about settings that come from outside: what is taken, what is refused, and that a part leaves the rest alone. */
import { expect, test } from "bun:test";
import { CodedError } from "./errors.ts";
import { DEFAULT_SETTINGS, patchSettings, readStoredSettings } from "./settings.ts";

test("the whole object as GET answers it is accepted back and changes nothing", () => {
  const answered = { ...DEFAULT_SETTINGS, totpRequiredOnLogin: true, totpConfigured: true, version: 7 };
  expect(patchSettings(DEFAULT_SETTINGS, answered)).toEqual(DEFAULT_SETTINGS);
});

test.each<[string, unknown]>([
  ["proxyAllowlist", ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"]],
  ["dashboardAllowlist", []],
  ["proxyAllowedOrigins", ["https://chat.example.com", "http://127.0.0.1:3000", "tauri://localhost"]],
  ["guestAccessEnabled", true],
])("%s takes %p", (name, value) => {
  expect(patchSettings(DEFAULT_SETTINGS, { [name]: value })).toEqual({ ...DEFAULT_SETTINGS, [name]: value });
});

test.each<[string, unknown]>([
  ["proxyAllowlist", ["10.0.0.0/33"]],
  ["proxyAllowlist", "10.0.0.0/8"],
  ["dashboardAllowlist", [1]],
  ["dashboardAllowlist", Array.from({ length: 257 }, () => "10.0.0.1")],
  ["proxyAllowedOrigins", ["*"]],
  ["proxyAllowedOrigins", ["null"]],
  ["proxyAllowedOrigins", ["https://chat.example.com/path"]],
  ["proxyAllowedOrigins", ["https://user@chat.example.com"]],
  ["guestAccessEnabled", "yes"],
  ["dashboardSessionTtlSeconds", 1],
  ["noSuchSetting", true],
  ["__proto__", { guestAccessEnabled: true }],
])("%s refuses %p by name", (name, value) => {
  const patch = JSON.parse(`{${JSON.stringify(name)}:${JSON.stringify(value)}}`);
  const refusal = expect.objectContaining({ code: "validation_error", param: name });
  expect(() => patchSettings(DEFAULT_SETTINGS, patch)).toThrow(refusal);
});

test("what is stored and no longer valid falls back to its default", () => {
  const stored = { proxyAllowlist: ["nonsense"], guestAccessEnabled: true, gone: 1 };
  expect(readStoredSettings(stored)).toEqual({ ...DEFAULT_SETTINGS, guestAccessEnabled: true });
  expect(() => patchSettings(DEFAULT_SETTINGS, [])).toThrow(CodedError);
});
