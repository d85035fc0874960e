/** Every word of the dashboard, in English. One file per page, so that a page carries its own words only. */
export { accountWords } from "./strings/account-words.ts";
export { accounts } from "./strings/accounts.ts";
export { audit } from "./strings/audit.ts";
export { common } from "./strings/common.ts";
export { connect } from "./strings/connect.ts";
export { keys } from "./strings/keys.ts";
export { overview } from "./strings/overview.ts";
export { reports } from "./strings/reports.ts";
export { requests } from "./strings/requests.ts";
export { settings } from "./strings/settings.ts";
export { shell } from "./strings/shell.ts";
export { signIn } from "./strings/sign-in.ts";
