# The image of codex-lb: the executable, the libraries that it loads, and nothing else; built for the machine's own processor.
#   docker build -t codex-lb .
# NODE is needed for building only. BASE gives the C libraries, and has to be one that NODE's executables run on.
ARG NODE=node:24-bookworm-slim
ARG BASE=debian:bookworm-slim

FROM ${NODE} AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
COPY scripts/setup.mjs scripts/
# Alone, so that a change of the source does not fetch the packages again.
RUN node scripts/setup.mjs --version
COPY . .
RUN npm run build

FROM ${BASE} AS files
RUN apt-get update && apt-get install -y --no-install-recommends libstdc++6
COPY --from=build /build/dist/codex-lb /codex-lb
COPY --from=build /build/node_modules/better-sqlite3/prebuilds/ /addons/
# What the executable and its SQLite addon load, at the same paths; a user without rights; a data directory that is theirs.
RUN set -eu; \
    mkdir -p /image/usr/local/bin /image/etc /image/tmp /image/var/lib/codex-lb; \
    cp /codex-lb /image/usr/local/bin/codex-lb; \
    case "$(uname -m)" in x86_64) cpu=x64 ;; aarch64) cpu=arm64 ;; *) echo "no build for $(uname -m)" >&2; exit 1 ;; esac; \
    ldd /codex-lb "/addons/linux-$cpu.node" | grep -o '/[^ ]*\.so[^ ]*' | sort -u | xargs -I{} cp -L --parents {} /image; \
    echo 'codex-lb:x:2455:2455::/var/lib/codex-lb:/usr/sbin/nologin' > /image/etc/passwd; \
    echo 'codex-lb:x:2455:' > /image/etc/group; \
    chown 2455:2455 /image/var/lib/codex-lb; \
    chmod 0700 /image/var/lib/codex-lb; \
    chmod 1777 /image/tmp

FROM scratch
COPY --from=files /image/ /
ENV CODEX_LB_HOST=0.0.0.0 \
    CODEX_LB_DATA_DIR=/var/lib/codex-lb \
    PATH=/usr/local/bin
USER 2455:2455
WORKDIR /var/lib/codex-lb
VOLUME /var/lib/codex-lb
# 2455: the service. 1455: where a browser login comes back, while one runs.
EXPOSE 2455 1455
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=6s --start-period=10s CMD ["codex-lb", "health"]
ENTRYPOINT ["codex-lb"]
CMD ["serve"]
