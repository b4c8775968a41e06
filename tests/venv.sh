# What the suites in Python have in common before there is one. Sourced by their scripts `run`, which
# define `give_up`.

# What the pinned packages run on.
fits='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'

# The first Python that fits.
find_python() {
    local each
    for each in python3 python3.13 python3.12 python3.11; do
        if "$each" -c "$fits" && "$each" -c 'import venv, ensurepip'; then
            printf '%s\n' "$each"
            return 0
        fi
    done 2>/dev/null
    return 1
}

# make_venv WHAT REQUIREMENTS VENV: an environment that holds what the requirements say. It is made
# anew when they have changed.
make_venv() {
    local what="$1" requirements="$2" venv="$3" python
    cmp -s "$requirements" "$venv/requirements.txt" && return
    python=$(find_python) || give_up "needs Python 3.11 to 3.13 with venv (Debian: python3, \
python3-venv); python3 is: $(python3 --version 2>&1)"
    printf -- '-- installing %s into %s\n' "$what" "$venv"
    # Nothing is removed that somebody else has made.
    if [ -f "$venv/pyvenv.cfg" ]; then
        rm -rf -- "$venv"
    elif [ -e "$venv" ] || [ -L "$venv" ]; then
        rmdir -- "$venv" 2>/dev/null ||
            give_up "$venv is no virtual environment; it is left as it is"
    fi
    "$python" -m venv "$venv" </dev/null || give_up "the virtual environment could not be made"
    timeout --kill-after=10 900 "$venv/bin/pip" install --quiet --disable-pip-version-check \
        --no-input --requirement "$requirements" </dev/null ||
        give_up "$what could not be installed"
    cp "$requirements" "$venv/requirements.txt" ||
        give_up "the virtual environment cannot be written"
}
