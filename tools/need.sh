#!/bin/bash
# need.sh PACKAGE...: makes sure that Debian packages are installed.
#
# Installs what is missing when it may (as root, or through sudo without a password) and otherwise
# says the command. Changes nothing when everything is there, so that it is cheap to call.
set -euo pipefail

missing=()
for package in "$@"; do
    status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
    [ "$status" = 'install ok installed' ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
    sudo -n true 2>/dev/null || {
        echo "needs: sudo apt-get install ${missing[*]}" >&2
        exit 1
    }
    as_root=(sudo -n)
fi
echo "installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
