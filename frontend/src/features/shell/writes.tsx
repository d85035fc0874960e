/** Around everything that changes something: guests see it and cannot use it. */
import { useQuery } from "@tanstack/solid-query";
import type { JSX } from "solid-js";
import { dataOf, sessionQuery } from "../../lib/queries.ts";

export function Writes(props: { children: JSX.Element }) {
  const session = useQuery(() => sessionQuery);
  return (
    <fieldset class="contents" disabled={dataOf(session)?.role === "guest"}>
      {props.children}
    </fieldset>
  );
}
