/** How a request ended, as a sign and a word. */
import Ban from "lucide-solid/icons/ban";
import Check from "lucide-solid/icons/check";
import CircleAlert from "lucide-solid/icons/circle-alert";
import Hourglass from "lucide-solid/icons/hourglass";
import LoaderCircle from "lucide-solid/icons/loader-circle";
import TimerReset from "lucide-solid/icons/timer-reset";
import { Dynamic } from "solid-js/web";
import type { RequestStatus } from "../../lib/api-types.ts";
import { requests as words } from "../../lib/strings.ts";
import type { Icon } from "../../ui/button.tsx";

const SIGNS: Record<RequestStatus | "running", { icon: Icon; class: string }> = {
  ok: { icon: Check, class: "text-good" },
  cancelled: { icon: Ban, class: "text-idle" },
  rate_limit: { icon: TimerReset, class: "text-warn" },
  quota: { icon: Hourglass, class: "text-warn" },
  error: { icon: CircleAlert, class: "text-bad" },
  running: { icon: LoaderCircle, class: "text-accent motion-safe:animate-spin [animation-duration:2s]" },
};

export function RequestStatusSign(props: { status: RequestStatus | "running"; bare?: boolean }) {
  const sign = () => SIGNS[props.status];
  return (
    <span
      class="inline-flex items-center gap-1.5 text-xs whitespace-nowrap"
      title={words.status[props.status]}
    >
      <Dynamic component={sign().icon} size={14} class={`shrink-0 ${sign().class}`} />
      <span class={props.bare ? "sr-only" : `font-[550] ${sign().class.split(" ")[0]}`}>
        {words.status[props.status]}
      </span>
    </span>
  );
}
