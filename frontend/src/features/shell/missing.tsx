/** An address that shows nothing. */
import { shell } from "../../lib/strings.ts";
import { ButtonLink } from "../../ui/button.tsx";
import { Empty } from "../../ui/states.tsx";

export function Missing() {
  return (
    <Empty
      isPage
      title={shell.missing.title}
      actions={
        <ButtonLink href="/" look="primary">
          {shell.missing.action}
        </ButtonLink>
      }
    />
  );
}
