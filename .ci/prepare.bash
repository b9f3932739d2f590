# prepare.bash - what tests/run, samples/run and .ci/run share: the machine's packages and
# the build folders. To be sourced; everything it says goes to stderr.
#
# SPDX-License-Identifier: BSL-1.0

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# What everything needs, in the names of Debian 12.
build_packages=(g++ cmake ninja-build libboost1.81-dev libboost-context1.81-dev)

# A command that programs we build are to be run under.
run_under=()

say() { printf '%s: %s\n' "${0#"$root"/}" "$*" >&2; }

# fail CODE SENTENCE: 2 for a wrong command line, 1 for everything else.
fail() {
    say "$2"
    exit "$1"
}

# A tool counts as present wherever it came from. A library counts as present where dpkg
# does not exist to tell; CMake will name it if it is not.
is_present() {
    case $1 in
        g++ | cmake | ccache | gdb | git | clang | clang-*) command -v "$1" >/dev/null ;;
        ninja-build) command -v ninja >/dev/null ;;
        *)
            ! command -v dpkg-query >/dev/null ||
                [[ $(dpkg-query -W -f='${Status}' "$1" 2>/dev/null) == *' installed' ]]
            ;;
    esac
}

# need_packages NAME...: installs what is missing, and calls apt only then.
need_packages() {
    local missing=() package as_root=()
    for package in "$@"; do
        is_present "$package" || missing+=("$package")
    done
    ((${#missing[@]})) || return 0

    local wanted="these packages are missing: ${missing[*]}"
    command -v apt-get >/dev/null ||
        fail 1 "$wanted. There is no apt-get here; please install what they are called on this system"
    if (($(id -u) != 0)); then
        command -v sudo >/dev/null ||
            fail 1 "$wanted. This is neither root nor is there sudo; please have them installed: apt-get install ${missing[*]}"
        as_root=(sudo)
        # Nobody is there to type a password.
        [[ -t 0 ]] || as_root=(sudo -n)
    fi
    say "installing ${missing[*]} (may take minutes)"
    as_root+=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0)
    "${as_root[@]}" update >&2 || say "apt-get update failed; trying with the lists at hand"
    # Never at the price of a package that is already there, such as another Boost.
    "${as_root[@]}" install -y --no-install-recommends --no-remove "${missing[@]}" >&2 ||
        fail 1 "apt-get could not install what is missing: ${missing[*]}"
}

# configure FOLDER [CMAKE-ARGUMENT...]
configure() {
    local folder=$1
    shift
    local launcher=
    command -v ccache >/dev/null && launcher=ccache
    say "configuring ${folder#"$root"/}"
    mkdir -p "$folder"
    if ! cmake -S "$root" -B "$folder" -G Ninja -DCMAKE_CXX_COMPILER_LAUNCHER="$launcher" \
        "$@" >"$folder/configure.log" 2>&1; then
        cat "$folder/configure.log" >&2
        fail 1 "configuring failed"
    fi
}

# build FOLDER [TARGET...]
build() {
    local folder=$1
    shift
    say "building ${folder#"$root"/} (minutes the first time)"
    "${run_under[@]}" ninja -C "$folder" -j "${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}" "$@" >&2 || fail 1 "building failed"
}
