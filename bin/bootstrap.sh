# Makes .venv fit to run vmodem. Read by bin/vmodem and bin/test when it is not
# there, not finished or out of date; $root and $setup are theirs.
#
# What lies in .venv/vmodem-setup:
#   lock         held by whoever installs, and by nobody once he is dead
#   ours         .venv was made here, so it may be taken apart and made again
#   install.log  what python and pip said
#   place        the checkout this was installed from
#   run.stamp    setup.cfg as it was when vmodem was installed, with its time; written
#                last, and set aside while anything is being installed
#   test.stamp   the same, when the test extra was installed too
#   failed       setup.cfg as it was when bringing an older install up to date failed
#
# So a .venv of ours without a stamp is one that somebody died over, and is made
# again from nothing: what pip leaves half done is not always noticed by pip.
#
# Every failure ends in one sentence and exit 69 (EX_UNAVAILABLE).

venv=$root/.venv
log=$setup/install.log

fail() {
    printf 'vmodem: %s.\n' "$1" >&2
    exit 69
}

# Says in one line what a Python is. Old ones have to understand it too.
# The name with the release in it (python3.11, not python3) is preferred, so
# that the .venv made with it breaks visibly when that release is removed,
# rather than wake up one day with another release and an empty library.
probe='
import os, sys
release = "%d.%d" % sys.version_info[:2]
if sys.version_info < (3, 10):
    sys.stdout.write("old " + release + "\n")
else:
    try:
        import ensurepip, venv
        state = "fit"
    except ImportError:
        state = "bare"
    base = getattr(sys, "_base_executable", None) or sys.executable
    exact = os.path.join(os.path.dirname(base), "python" + release)
    print(state, release, exact if os.access(exact, os.X_OK) else base)
'

# Sets $python to the Python to make .venv with: python3, or the newest that fits.
find_python() {
    python='' old='' bare=''
    for name in python3 python3.14 python3.13 python3.12 python3.11 python3.10; do
        # Asked, not only looked for: a version manager leaves names that lead nowhere.
        answer=$("$name" -c "$probe" 2>/dev/null </dev/null) || continue
        state=${answer%% *}
        answer=${answer#* }
        case $state in
        fit) python=${answer#* } && return ;;
        bare) bare=${bare:-${answer%% *}} ;;
        old) old=${old:-$answer} ;;
        esac
    done
    if [ -n "$bare" ]; then
        fail "this Python $bare cannot make a virtual environment: install the part that does (on Debian and Ubuntu \"apt-get install python3-venv\" or \"python$bare-venv\") and run this again"
    elif [ -n "$old" ]; then
        fail "the Python found here is $old and vmodem needs 3.10 or newer: install a newer one (python3.12, say) beside it and run this again"
    fi
    fail "no python3 was found on PATH: install Python 3.10 or newer (on Debian and Ubuntu \"apt-get install python3 python3-venv\") and run this again"
}

# Waits for fd 9 to be ours. Python does it because it is at hand wherever we
# get this far, which flock(1) is not. The lock belongs to the open file: it
# stays with this shell and with the pip it started, and goes when they do,
# so there is no such thing as a stale one.
lock='
import fcntl, sys, time
deadline = time.monotonic() + float(sys.argv[1])
told = False
while True:
    try:
        fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)
        break
    except BlockingIOError:
        if time.monotonic() >= deadline:
            sys.exit(75)
        if not told:
            sys.stderr.write("vmodem: another first run is installing; waiting for it.\n")
            sys.stderr.flush()
            told = True
        time.sleep(0.05)
    except OSError:
        break  # a file system without locks: rather unlocked than not at all
'

# Was $1 ever installed to the end here, so that it runs, be it out of date?
works() {
    [ -f "$setup/$1.stamp" ] && [ -x "$venv/bin/python" ] && [ "$(cat "$setup/place" 2>/dev/null)" = "$root" ]
}

# Is $1 (a stamp, or what else has its form) from setup.cfg as it is now?
fresh() {
    [ -f "$setup/$1" ] && [ "$(cat "$root/setup.cfg")" = "$(cat "$setup/$1")" ]
}

# What worked before goes on working, in spite of $1.
fail_unless_works() {
    works "$want" || fail "$1"
    printf 'vmodem: setup.cfg has changed and .venv could not be brought up to date; going on with it as it is (%s).\n' "$1" >&2
}

# Runs a command with its noise in the log, in English (explain reads it), and
# without the caller's modules: those are not ours to count on, nor to trip over.
quietly() (
    unset PYTHONPATH PYTHONHOME
    LC_ALL=C
    export LC_ALL
    exec "$@" >>"$log" 2>&1 </dev/null
)

# Sets $reason: what the log comes down to. $1 is what was tried.
explain() {
    # The disk is asked first: a full one has kept no log.
    said=$(LC_ALL=C dd if=/dev/zero of="$setup/room" bs=65536 count=16 2>&1; cat "$log" 2>&1)
    rm -f "$setup/room"
    case $said in
    *'No space left'* | *'quota exceeded'*)
        reason="the disk is full: make room for $venv and in ${TMPDIR:-/tmp}, and run this again" ;;
    *ensurepip*)
        reason="this Python cannot make a virtual environment: install the part that does (on Debian and Ubuntu \"apt-get install python3-venv\") and run this again; $log says more" ;;
    *'[Errno 13]'* | *'[Errno 30]'*)
        reason="something in $venv cannot be written: make the checkout writable, or copy it to a folder of yours, and run this again; $log says more" ;;
    *'from versions: '[0-9]*)
        reason="$1 failed because a package has no release for this Python: run this again with a newer one first on the PATH; $log says more" ;;
    *'No matching distribution'* | *'ould not find a version'* | *'ConnectionError'* | *'Connection refused'* | \
        *'imed out'* | *'ProxyError'* | *'SSLError'* | *'HTTP error'*)
        reason="$1 failed because pip could not fetch packages: connect this machine to the network, or tell pip's configuration of an index within reach, and run this again; $log says more" ;;
    *)
        reason="$1 failed: mend what $log names and run this again" ;;
    esac
}

# Has .venv a Python that will do, and a pip?
sound() {
    answer=$("$venv/bin/python" -c "$probe" 2>/dev/null </dev/null) || return
    case $answer in old*) return 1 ;; esac
    quietly "$venv/bin/python" -m pip --version
}

# Says whether anything but our own folder is in .venv.
occupied() {
    for thing in "$venv"/* "$venv"/.[!.]*; do
        [ "$thing" = "$setup" ] || [ ! -e "$thing" ] || return 0
    done
    return 1
}

make_venv() {
    if [ -f "$setup/run.stamp" ] || [ -f "$setup/test.stamp" ] || { [ ! -f "$setup/ours" ] && occupied; }; then
        sound && return
        [ -f "$setup/ours" ] ||
            fail "$venv is there already and has no Python 3.10 or newer with pip in it: move it away and run this again"
    fi
    case $python in "$venv"/*) find_python ;; esac
    rm -f "$setup"/*.stamp
    for thing in "$venv"/* "$venv"/.[!.]*; do
        [ "$thing" = "$setup" ] || rm -rf "$thing"
    done
    { true >"$setup/ours"; } 2>/dev/null
    quietly "$python" -m venv "$venv"
}

pip_install() {
    # "." from within: in a path, pip would take some characters for its own syntax.
    cd "$root" || return
    set -- "$venv/bin/python" -m pip install --no-input --no-user -e "$what"
    if [ -n "$kept" ]; then
        # Often only our own metadata has changed, and that takes no network.
        quietly "$@" --no-index --no-build-isolation && return
    fi
    if [ -n "$worked" ]; then
        # A modem that could start may not be kept from it for long. (As
        # variables: the pip that pip starts has to know, too.)
        unset PIP_DEFAULT_TIMEOUT
        export PIP_RETRIES=1 PIP_TIMEOUT=10
    fi
    quietly "$@"
}

# Leaves in $1, whole or not at all, the setup.cfg that the installation began with.
stamp() {
    { cp -p "$setup/begun" "$setup/new" && mv "$setup/new" "$setup/$1"; } 2>/dev/null
}

# With the lock held: installs what $want wants.
install() {
    { true >"$log" && cp -p "$root/setup.cfg" "$setup/begun"; } 2>/dev/null
    worked=''
    if works "$want"; then
        worked=yes
        echo "vmodem: setup.cfg has changed: bringing $venv up to date." >&2
    else
        echo "vmodem: first run: installing into $venv, which takes a minute or so." >&2
    fi
    if ! make_venv; then
        explain "making a virtual environment"
        fail "$reason"
    fi

    # Whoever tests here goes on testing: both kinds are kept up together.
    what=. kept=''
    [ "$want" = run ] || what='.[test]'
    for kind in run test; do
        if [ -f "$setup/$kind.stamp" ]; then
            kept="$kept $kind"
            [ "$kind" = run ] || what='.[test]'
            mv -f "$setup/$kind.stamp" "$setup/$kind.was"
        fi
    done
    if (pip_install) && [ -f "$venv/bin/vmodem" ] && { printf '%s\n' "$root" >"$setup/place"; } 2>/dev/null &&
        { [ "$what" = . ] || stamp test.stamp; } && stamp run.stamp; then
        rm -f "$setup"/*.was "$setup/begun" "$setup/failed"
        return
    fi
    for kind in $kept; do mv -f "$setup/$kind.was" "$setup/$kind.stamp"; done
    cp "$setup/begun" "$setup/failed" 2>/dev/null
    explain "the installation"
    fail_unless_works "$reason"
}

# bootstrap run|test: returns when .venv can run that, exits when it cannot.
bootstrap() {
    want=$1
    [ -f "$root/setup.cfg" ] || fail "$root is not a whole checkout of vmodem (it has no setup.cfg): get one and run this again"

    if works "$want" && fresh "$want.stamp"; then
        # Only its time is another, after a checkout or a copy.
        touch -r "$root/setup.cfg" "$setup/$want.stamp" 2>/dev/null
        return
    elif works "$want"; then
        # No other Python has to be found, and a failed attempt is not repeated at every start.
        python=$venv/bin/python
        if fresh failed && [ -n "$(find "$setup/failed" -mmin -10 2>/dev/null)" ]; then
            fail_unless_works "the last attempt was less than ten minutes ago, see $log"
            return
        fi
    else
        find_python
    fi

    if ! said=$({ LC_ALL=C mkdir -p "$setup" && true >>"$setup/lock"; } 2>&1); then
        case $said in
        *'No space left'* | *'quota exceeded'*)
            fail_unless_works "the disk is full: make room where $root is and run this again" ;;
        *'File exists'* | *'Not a directory'*)
            fail "$venv is in the way, not being a folder: move it away and run this again" ;;
        *)
            fail_unless_works "$root cannot be written: make it writable, or copy the checkout to a folder of yours, and run this again" ;;
        esac
        return
    fi

    exec 9>>"$setup/lock"
    "$python" -c "$lock" "${VMODEM_INSTALL_WAIT_S:-600}"
    if [ $? -eq 75 ]; then
        fail_unless_works "another run is still installing into $venv: let it finish or end it, and run this again"
    elif ! { works "$want" && fresh "$want.stamp"; }; then
        install
    fi
    exec 9>&-
}
