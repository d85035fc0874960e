/** The accounts: a list to search, filter and sort; beside it the one that is open. */
import { useNavigate, useParams, useSearchParams } from "@solidjs/router";
import { useQuery } from "@tanstack/solid-query";
import FileUp from "lucide-solid/icons/file-up";
import Plus from "lucide-solid/icons/plus";
import Smartphone from "lucide-solid/icons/smartphone";
import Users from "lucide-solid/icons/users";
import { createMemo, Show } from "solid-js";
import { accountsQuery, dataOf } from "../../lib/queries.ts";
import { accounts as words } from "../../lib/strings.ts";
import { Button } from "../../ui/button.tsx";
import { PageHead } from "../../ui/page.tsx";
import { Empty, Loaded, SkeletonRows } from "../../ui/states.tsx";
import { AccountDetail } from "./account-detail.tsx";
import { AccountList } from "./account-list.tsx";
import { AddAccount, asWay } from "./add-account.tsx";
import { Writes } from "../shell/writes.tsx";

export default function AccountsPage() {
  const params = useParams();
  const [search, setSearch] = useSearchParams();
  const navigate = useNavigate();
  const accounts = useQuery(() => accountsQuery);
  const open = createMemo(() => dataOf(accounts)?.find((account) => account.accountId === params["id"]));
  const again = createMemo(() => dataOf(accounts)?.find((account) => account.accountId === search["again"]));
  const addWith = (add: string) => setSearch({ add, again: undefined });
  return (
    <>
      <Show when={params["id"]}>
        <h1 class="sr-only lg:hidden">{words.title}</h1>
      </Show>
      <div class={params["id"] ? "max-lg:hidden" : ""}>
        <PageHead title={words.title}>
          <Writes>
            <Button look="primary" icon={Plus} onClick={() => addWith("device")}>
              {words.add}
            </Button>
          </Writes>
        </PageHead>
      </div>
      <Loaded
        query={accounts}
        skeleton={
          <div class="panel">
            <SkeletonRows rows={10} />
          </div>
        }
      >
        {(list) => (
          <Show
            when={list().length > 0}
            fallback={
              <div class="panel">
                <Empty
                  icon={Users}
                  title={words.empty.title}
                  actions={
                    <>
                      <Button look="primary" icon={Smartphone} onClick={() => addWith("device")}>
                        {words.empty.device}
                      </Button>
                      <Button icon={FileUp} onClick={() => addWith("files")}>
                        {words.empty.files}
                      </Button>
                    </>
                  }
                >
                  {words.empty.body}
                </Empty>
              </div>
            }
          >
            <div class={params["id"] ? "grid items-start gap-5 lg:grid-cols-[19rem_minmax(0,1fr)]" : ""}>
              <div class={params["id"] ? "max-lg:hidden lg:sticky lg:top-4" : ""}>
                <AccountList accounts={list()} openId={params["id"]} />
              </div>
              <Show when={params["id"]}>
                <AccountDetail account={open()} />
              </Show>
            </div>
          </Show>
        )}
      </Loaded>
      <AddAccount
        way={asWay(search["add"])}
        again={again()}
        onWay={(add) => setSearch({ add }, { replace: true })}
        onClose={() => setSearch({ add: undefined, again: undefined })}
        onShow={(id) => navigate(`/accounts/${id}`)}
      />
    </>
  );
}
