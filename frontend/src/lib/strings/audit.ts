/** Words of the audit log. */
export const audit = {
  title: "Audit",
  summary: "Who changed what, from where. Entries cannot be edited here.",
  columns: { at: "Time", actor: "Who", action: "What", target: "On", details: "Details", from: "From" },
  actors: {
    dashboard: "Dashboard",
    local: "This machine",
    admin_token: "Admin token",
    cli: "Command line",
    guest: "Guest",
    anonymous: "Nobody signed in",
    system: "codex-lb itself",
  } as Record<string, string>,
  action: "Action",
  allActions: "All actions",
  more: "Show older",
  empty: "Nothing has been changed yet.",
};
