/** Words of signing in. */
export const signIn = {
  title: "Sign in",
  password: "Password",
  submit: "Sign in",
  forgot: "Forgotten? On its machine: codex-lb admin reset-password",
  totp: {
    title: "One more step",
    body: "Enter the six digits of your authenticator app, or one of your recovery codes.",
    code: "Code",
    submit: "Continue",
    back: "Sign in as somebody else",
  },
  setup: {
    title: "Welcome",
    body: "Choose the password of this dashboard. There is no other user and no e-mail: keep it well.",
    token: "Set-up token",
    tokenHint: "codex-lb printed it in its log when it started.",
    password: "New password",
    repeat: "Again",
    rules: "At least 12 characters. A few words are fine.",
    submit: "Set the password",
    tooShort: "At least 12 characters, please.",
    different: "The two are not the same.",
  },
} as const;
