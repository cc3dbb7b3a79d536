# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
# For scripts to source: packages that are downloaded and never installed, by an apt beside the machine's own whose lists
# and archives are in the folder $apt; of the architecture $foreign too, if it is set.
#   get PROGRAM ARGUMENT...       apt-get or apt-cache with this machine's package sources
#   get_next PROGRAM ARGUMENT...  with those of the release after Debian 12 and its backports, as if nothing were installed;
#                                 after next_sources, which reads where they are from the lists that `get apt-get update` made
next=trixie

make_apt() { mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$apt/next/lists/partial" "$apt/next/archives/partial"; }
# Each step has its time: a set-up must not wait for a mirror that does not answer.
get() {
    program=$1
    shift
    timeout 300 "$program" -q -o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt" \
        ${foreign:+-o "APT::Architectures::=$foreign"} \
        -o APT::Sandbox::User=root -o Acquire::Retries=1 -o Acquire::http::Timeout=20 "$@"
}
get_next() {
    program=$1
    shift
    get "$program" -o Dir::State::lists="$apt/next/lists" -o Dir::Cache="$apt/next" -o Dir::State::status=/dev/null \
        -o Dir::Etc::sourcelist="$apt/next/sources.list" -o Dir::Etc::sourceparts=- "$@"
}
next_sources() {
    # shellcheck disable=SC2016
    get apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Identifier: Packages' |
        sed -n "s#^\\([^ ]*\\) bookworm\$#deb \\1 $next main\\ndeb \\1 $next-backports main#p" |
        sort -u >"$apt/next/sources.list"
}
