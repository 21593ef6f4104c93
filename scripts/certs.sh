#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# certs.sh -- makes and runs a small certificate authority for sensorlink.
#
# Every command works on copies below DIR/ca/stage and ends by renaming that
# folder to DIR/ca/commit. The rename is the moment at which the command has
# happened: before it nothing in DIR changed, after it the files only have to
# be moved to their places, which this or the next run does (replay). So a run
# may be killed anywhere, and the same command given again completes it.
#
# DIR/ca.crt ca.key crl.pem          the CA, its key, its revocation list
# DIR/NAME.crt NAME.key              one server or sensor
# DIR/NAME.crt.SERIAL NAME.key.SERIAL  what a renewal replaced
# DIR/ca/index.txt crlnumber         records in the format of "openssl ca"
# DIR/ca/names.txt                   name, role, subject alternative names
# DIR/ca/issued/SERIAL.pem           every certificate ever made

set -Eeuo pipefail
shopt -s nullglob
umask 077
export LC_ALL=C

readonly EX_USAGE=64 EX_DATAERR=65 EX_NOINPUT=66 EX_UNAVAILABLE=69
readonly EX_SOFTWARE=70 EX_CANTCREAT=73 EX_TEMPFAIL=75

usage() {
    cat <<'END'
Usage: certs.sh COMMAND DIR ... [OPTION]...   A small CA for sensorlink in DIR.

  init DIR                    make the CA: ca.crt, ca.key and an empty crl.pem
  server DIR NAME [SAN...]    make NAME.crt and NAME.key for a server; SAN: more
                              names or addresses it is reached by
  sensor DIR NAME             make NAME.crt and NAME.key for a sensor
  sign DIR CSR                make NAME.crt for a sensor that keeps its key
  revoke DIR NAME             revoke all certificates of NAME, renew crl.pem
  crl DIR                     renew crl.pem (before its 30 days are over)
  renew DIR NAME              new certificate for NAME's key, or, with --new-key
                              or --csr FILE, for another; the old gets .SERIAL
  list DIR                    names, roles, serials, days left, states

  --days N           days of a certificate (90; with init: of the CA, 3650)
  --crl-days N       days of crl.pem (30; with init, revoke, crl)
  --ca-key KIND      p256 (default) or rsa3072 (faster to verify); with init
  --all              list also old certificates that no longer count

At the sensor, to keep the key there (NAME.csr then goes to "sign"):
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
      -keyout NAME.key -out NAME.csr -subj /CN=NAME
END
}

say() { printf '%s\n' "$*"; }

# die STATUS SENTENCE
die() {
    local status=$1
    shift
    printf 'certs.sh: %s\n' "$*" >&2
    exit "$status"
}

# What nobody foresaw, a full disk say. A status of die's own was explained before.
unforeseen() {
    local status=$1
    ((status < EX_USAGE || status > 78)) ||
        exit "$status"
    die "$EX_CANTCREAT" "Stopped by the fault above (line $2 of this script): put that right and" \
        "give the same command again."
}
trap 'unforeseen "$?" "$LINENO"' ERR

wrong_usage() { die "$EX_USAGE" "$* See certs.sh --help."; }

# --- openssl -----------------------------------------------------------------

require_tools() {
    local tool
    for tool in openssl flock; do
        command -v "$tool" >/dev/null ||
            die "$EX_UNAVAILABLE" "The command $tool is missing: install the package" \
                "$([[ $tool == flock ]] && echo util-linux || echo openssl)."
    done
    [[ $(openssl version 2>/dev/null) =~ ^OpenSSL\ ([3-9]|[1-9][0-9])\. ]] ||
        die "$EX_UNAVAILABLE" "The command openssl is not OpenSSL 3.0 or newer."
    [[ -r $profiles ]] || die "$EX_NOINPUT" "The certificate profiles are missing: $profiles."
}

# ossl PURPOSE ARGS...: runs openssl; its own words are shown only if it fails.
ossl() {
    local purpose=$1
    shift
    openssl "$@" </dev/null 2>"$scratch/errors" ||
        die "$EX_SOFTWARE" "openssl could not $purpose:" \
            "$(grep -v '^Using configuration' "$scratch/errors" | head -n 1)"
}

# The end of a certificate or CRL as YYYY-MM-DD.
certificate_end() {
    local end
    end=$(ossl "read a certificate" x509 -in "$1" -noout -enddate -dateopt iso_8601)
    end=${end#*=}
    say "${end%% *}"
}

crl_end() {
    local end
    end=$(ossl "read crl.pem" crl -in "$1" -noout -nextupdate -dateopt iso_8601)
    end=${end#*=}
    say "${end%% *}"
}

# --- names and addresses -----------------------------------------------------

lower() { printf '%s' "${1,,}"; }

is_name() { [[ $1 =~ ^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$ ]]; }

looks_like_ipv4() { [[ $1 =~ ^[0-9.]+$ ]]; }

is_ipv4() {
    local octet='(0|[1-9][0-9]?|1[0-9][0-9]|2[0-4][0-9]|25[0-5])'
    [[ $1 =~ ^$octet\.$octet\.$octet\.$octet$ ]]
}

is_ipv6() {
    local text=$1 groups=0 group short=0
    [[ $text =~ ^[0-9A-Fa-f:.]+$ && $text == *:*:* && $text != *:::* ]] || return 1
    [[ $text != :[!:]* && $text != *[!:]: ]] || return 1
    if [[ $text == *::* ]]; then
        [[ ${text#*::} != *::* ]] || return 1
        short=1
    fi
    if [[ ${text##*:} == *.* ]]; then
        is_ipv4 "${text##*:}" || return 1
        text=${text%:*}:0:0
    fi
    for group in ${text//:/ }; do
        [[ $group =~ ^[0-9A-Fa-f]{1,4}$ ]] || return 1
        groups=$((groups + 1))
    done
    ((short ? groups < 8 : groups == 8))
}

is_dns_name() {
    local label='[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?'
    [[ ${#1} -le 253 && $1 =~ ^(\*\.)?$label(\.$label)*$ ]]
}

# general_name TEXT: TEXT as one entry of a subjectAltName.
general_name() {
    if [[ $1 == *:* ]]; then
        is_ipv6 "$1" || die "$EX_DATAERR" "\"$1\" is not an IPv6 address."
        say "IP:$1"
    elif looks_like_ipv4 "$1"; then
        is_ipv4 "$1" || die "$EX_DATAERR" "\"$1\" is not an IPv4 address."
        say "IP:$1"
    else
        is_dns_name "$1" || die "$EX_DATAERR" "\"$1\" is neither a DNS name nor an IP address."
        say "DNS:$1"
    fi
}

# server_san NAME [SAN...]: every name once, in order.
server_san() {
    local text entry san=
    if [[ $(lower "$1") == localhost ]]; then
        set -- "$@" 127.0.0.1 ::1
    fi
    for text in "$@"; do
        entry=$(general_name "$text") || exit
        [[ ,${san,,}, == *",${entry,,},"* ]] || san+=${san:+,}$entry
    done
    say "$san"
}

check_name() {
    is_name "$1" ||
        die "$EX_DATAERR" "\"$1\" is not a name: up to 64 letters, digits, '.', '_' and '-'," \
            "the first a letter or a digit."
    [[ ${1,,} != ca ]] ||
        die "$EX_DATAERR" "\"$1\" can't be a name here: ca.crt and ca.key are the CA's own."
}

# --- the folder, its lock, and the way changes get into it -------------------

# Relative to DIR, which is where everything after enter and enter_new happens.
readonly stage=ca/stage scratch=ca/stage/scratch

cant_write() {
    die "$EX_CANTCREAT" "The folder $dir can't be written: make it yours, or name another."
}

take_lock() {
    [[ -w . && -w ca ]] || cant_write
    { exec 9>ca/lock; } 2>/dev/null || cant_write
    flock -n 9 || die "$EX_TEMPFAIL" "Another certs.sh is working in $dir: try again when it has ended."
}

# Moves what a finished stage holds to its places. Each move may already have
# happened in a run that was killed meanwhile.
replay() {
    local part file place
    for part in issued records top; do
        case $part in
        issued) place=ca/issued ;;
        records) place=ca ;;
        top) place=. ;;
        esac
        mkdir -p "$place"
        for file in "ca/commit/$part"/*; do
            mv -f -- "$file" "$place/"
        done
    done
    if [[ -s ca/commit/unneeded ]]; then
        rm -f -- "$(<ca/commit/unneeded)"
    fi
    rm -rf ca/commit
}

# A killed run either left a stage, which never happened, or a commit, which did.
recover() {
    local did='' message=''
    rm -rf "$stage"
    [[ -d ca/commit ]] || return 0
    if [[ -r ca/commit/did ]]; then
        did=$(head -n 1 ca/commit/did)
        message=$(tail -n +2 ca/commit/did)
    fi
    replay
    if [[ -n $did && $did == "$request" ]]; then
        say "$message"
        exit 0
    fi
    say "Finished what an interrupted run had begun${did:+: ${did%% *}}." >&2
}

# Only the holder of the lock may come here: the stage is one for all.
open_stage() {
    trap 'rm -rf "$stage"' EXIT
    mkdir -p "$scratch" "$stage/issued" "$stage/records" "$stage/top" 2>/dev/null || cant_write
    export OPENSSL_CONF=$profiles SENSORLINK_SAN=DNS:unused.invalid
}

# commit MESSAGE: from here on it has happened.
commit() {
    rm -rf "$scratch"
    printf '%s\n' "$request" "$*" >"$stage/did"
    sync -- "$stage"/* "$stage"/*/*
    mv -T -- "$stage" ca/commit
    replay
    sync -- ca .
    say "$@"
}

# Makes DIR for init, or takes an empty one; then locks it.
enter_new() {
    local mode
    if [[ ! -e $dir ]]; then
        mkdir -p -- "$dir" 2>/dev/null ||
            die "$EX_CANTCREAT" "The folder $dir can't be made: no permission, or no such place."
    fi
    [[ -d $dir ]] || die "$EX_CANTCREAT" "$dir is not a folder."
    cd -- "$dir" 2>/dev/null || cant_write
    [[ -w . ]] || cant_write
    mode=$(stat -c %a .)
    if [[ ${mode: -3} != 700 ]]; then
        [[ -z $(ls -A) ]] ||
            die "$EX_CANTCREAT" "The folder $dir is open to others and holds files: name a new" \
                "folder for the CA, inside it if you like."
        chmod 700 . 2>/dev/null || cant_write
    fi
    mkdir -p ca 2>/dev/null || cant_write
    take_lock
    recover
}

no_ca() { die "$EX_NOINPUT" "There is no CA in $dir: make one with certs.sh init."; }

# enter: goes into DIR, which holds a CA.
enter() {
    [[ -d $dir ]] || no_ca
    cd -- "$dir" 2>/dev/null || die "$EX_NOINPUT" "The folder $dir can't be opened: no permission."
    [[ -d ca ]] || no_ca
    take_lock
    recover
    [[ -e ca.crt && -e ca/index.txt ]] || no_ca
    [[ -r ca.crt ]] || die "$EX_NOINPUT" "The file $dir/ca.crt can't be read."
    open_stage
}

# Signing needs the CA's key, and copies of the records to work on.
open_records() {
    local file
    [[ -r ca.key ]] ||
        die "$EX_NOINPUT" "The CA's key $dir/ca.key is missing or can't be read: put it back to sign."
    for file in ca/index.txt ca/crlnumber; do
        [[ -r $file ]] ||
            die "$EX_NOINPUT" "The file $dir/$file is missing or can't be read: put it back from a copy."
        cp -- "$file" "$scratch/"
    done
}

# --- records -----------------------------------------------------------------

# The line of names.txt for a name in any spelling: name, role, SAN.
find_name() {
    awk -F '\t' -v wanted="$(lower "$1")" \
        'tolower($1) == wanted { print; exit }' ca/names.txt
}

# index_of NAME: "STATE SERIAL" of each certificate of NAME, the newest last.
index_of() {
    awk -F '\t' -v wanted="/CN=$1" '$6 == wanted { print $1, $4 }' ca/index.txt
}

check_is_new() {
    local found
    found=$(find_name "$1")
    [[ -z $found ]] ||
        die "$EX_CANTCREAT" "There is already a $(cut -f 2 <<<"$found") \"$(cut -f 1 <<<"$found")\"" \
            "in $dir: choose another name, or use certs.sh renew."
}

# --- keys and certificates ---------------------------------------------------

new_key() {
    ossl "make a key" genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 \
        -pkeyopt ec_param_enc:named_curve -out "$1"
    ossl "read a key" pkey -in "$1" -pubout -out "$scratch/public.pem"
}

# A serial number of 16 random bytes, positive and without a leading zero.
new_serial() {
    local hex
    hex=$(ossl "make random numbers" rand -hex 16) || exit
    hex=${hex^^}
    printf '%X%s\n' $((16#${hex:0:1} & 3 | 4)) "${hex:1}"
}

# issue NAME ROLE SAN: signs $scratch/public.pem and notes it in the index.
issue() {
    local name=$1 role=$2 san=$3 serial
    ossl "read ca.crt" x509 -in ca.crt -noout >/dev/null
    openssl x509 -in ca.crt -noout -checkend $((days * 86400)) >/dev/null 2>&1 ||
        die "$EX_DATAERR" "A certificate of $days days would outlive the CA, which ends on" \
            "$(certificate_end ca.crt): use fewer --days, or make a new CA."
    serial=$(new_serial) || exit
    SENSORLINK_SAN=$san ossl "sign the certificate" x509 -new -force_pubkey "$scratch/public.pem" \
        -subj "/CN=$name" -CA ca.crt -CAkey ca.key -set_serial "0x$serial" -days "$days" -sha256 \
        -extfile "$profiles" -extensions "$role" -out "$stage/issued/$serial.pem"
    ossl "note the certificate" ca "${records[@]}" \
        -valid "$stage/issued/$serial.pem"
    cp -- "$scratch/index.txt" "$stage/records/"
    install -m 644 -- "$stage/issued/$serial.pem" "$stage/top/$name.crt"
}

make_crl() {
    ossl "sign crl.pem" ca "${records[@]}" -gencrl -crldays "$crl_days" \
        -out "$stage/top/crl.pem"
    chmod 644 "$stage/top/crl.pem"
    cp -- "$scratch/index.txt" "$scratch/crlnumber" "$stage/records/"
}

note_name() {
    cp -- ca/names.txt "$stage/records/names.txt"
    printf '%s\t%s\t%s\n' "$@" >>"$stage/records/names.txt"
}

# read_csr FILE: checks the request; sets csr_name, puts its key into $scratch.
# Nothing else of it is used: the sensor does not choose its own rights.
read_csr() {
    local file=$1 uris
    [[ -f $file && -r $file ]] || die "$EX_NOINPUT" "The request $file is missing or can't be read."
    openssl req -in "$file" -noout -verify </dev/null >"$scratch/verify" 2>&1 || true
    grep -q 'verify OK' "$scratch/verify" ||
        die "$EX_DATAERR" "The file $file is not a certificate request, or its signature is wrong."
    ossl "read the request" req -in "$file" -noout -pubkey -out "$scratch/public.pem"
    ossl "read the request's key" pkey -pubin -in "$scratch/public.pem" -noout -text_pub \
        >"$scratch/public.txt"
    grep -qx 'ASN1 OID: prime256v1' "$scratch/public.txt" ||
        die "$EX_DATAERR" "The key of $file is not on the curve P-256: see certs.sh --help for the command."
    ossl "read the request" req -in "$file" -noout -text -nameopt multiline,utf8,esc_ctrl \
        >"$scratch/request.txt"
    uris=$(grep -A 1 'X509v3 Subject Alternative Name' "$scratch/request.txt" |
        tr ',' '\n' | sed -n 's/^ *URI:urn:sensor://p' | sort -u) || true
    if [[ -z $uris ]]; then
        uris=$(sed -n 's/^ *commonName *= //p' "$scratch/request.txt")
    fi
    [[ -n $uris && $uris != *$'\n'* ]] ||
        die "$EX_DATAERR" "The request $file must hold one name, as CN or as URI:urn:sensor:NAME."
    csr_name=$uris
    check_name "$csr_name"
}

# --- commands ----------------------------------------------------------------

run_init() {
    local id serial
    enter_new
    [[ ! -e ca.crt && ! -e ca.key && ! -e ca/index.txt ]] ||
        die "$EX_CANTCREAT" "There is already a CA in $dir; nothing was changed."
    open_stage
    if [[ $ca_key == rsa3072 ]]; then
        ossl "make a key" genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:3072 \
            -out "$stage/top/ca.key"
        ossl "read a key" pkey -in "$stage/top/ca.key" -pubout -out "$scratch/public.pem"
    else
        new_key "$stage/top/ca.key"
    fi
    # A revocation list finds its CA by name only, so each key gets a name of its own.
    id=$(ossl "hash a key" dgst -sha256 -r "$scratch/public.pem")
    id=${id:0:16}
    serial=$(new_serial) || exit
    ossl "sign the CA" x509 -new -key "$stage/top/ca.key" -subj "/CN=sensorlink CA $id" \
        -set_serial "0x$serial" -days "$days" -sha256 -extfile "$profiles" -extensions ca \
        -out "$stage/top/ca.crt"
    chmod 644 "$stage/top/ca.crt"
    records+=(-cert "$stage/top/ca.crt" -keyfile "$stage/top/ca.key")
    : >"$scratch/index.txt"
    : >"$stage/records/names.txt"
    say 01 >"$scratch/crlnumber"
    make_crl
    commit "Made the CA \"sensorlink CA $id\" and its revocation list: $dir/ca.crt, $dir/crl.pem." \
        "Keep $dir/ca.key secret: whoever has it makes sensors and servers."
}

# run_make ROLE NAME [SAN...]
run_make() {
    local role=$1 name=$2 san
    shift
    if [[ $role == server && $name == *:* ]]; then
        is_ipv6 "$name" || die "$EX_DATAERR" "\"$name\" is not a name or an address."
    else
        check_name "$name"
    fi
    if [[ $role == server ]]; then
        san=$(server_san "$@") || exit
    else
        san=URI:urn:sensor:$name
    fi
    enter
    check_is_new "$name"
    open_records
    new_key "$stage/top/$name.key"
    issue "$name" "$role" "$san"
    note_name "$name" "$role" "$san"
    commit "Made the $role \"$name\", good until $(certificate_end "$stage/top/$name.crt"):" \
        "$dir/$name.crt and $dir/$name.key."
}

run_sign() {
    local name
    enter
    read_csr "$1"
    name=$csr_name
    check_is_new "$name"
    open_records
    issue "$name" sensor "URI:urn:sensor:$name"
    note_name "$name" sensor "URI:urn:sensor:$name"
    commit "Signed the sensor \"$name\", good until $(certificate_end "$stage/top/$name.crt"):" \
        "$dir/$name.crt (bring it and ca.crt to the sensor)."
}

# known NAME: its line of names.txt, or the end.
known() {
    local found
    found=$(find_name "$1")
    [[ -n $found ]] || die "$EX_NOINPUT" "There is no server and no sensor \"$1\" in $dir: see certs.sh list."
    say "$found"
}

run_revoke() {
    local found name state serial count=0
    enter
    found=$(known "$1") || exit
    name=$(cut -f 1 <<<"$found")
    open_records
    while read -r state serial; do
        [[ $state != R ]] || continue
        ossl "revoke the certificate" ca "${records[@]}" \
            -revoke "ca/issued/$serial.pem"
        count=$((count + 1))
    done <<<"$(index_of "$name")"
    if ((count == 0)); then
        say "\"$name\" was revoked before, and $dir/crl.pem says so; nothing was changed."
        return
    fi
    make_crl
    commit "Revoked \"$name\" ($count certificate$( ((count == 1)) || echo s)). Bring $dir/crl.pem to the servers" \
        "and reload them (SIGHUP); it is good until $(crl_end "$stage/top/crl.pem")."
}

run_crl() {
    enter
    open_records
    make_crl
    commit "Made $dir/crl.pem, good until $(crl_end "$stage/top/crl.pem")."
}

run_renew() {
    local found name role san state serial
    enter
    found=$(known "$1") || exit
    IFS=$'\t' read -r name role san <<<"$found"
    read -r state serial <<<"$(index_of "$name" | tail -n 1)"
    open_records
    if [[ -n $csr ]]; then
        [[ $role == sensor ]] || wrong_usage "--csr is for sensors, and \"$name\" is a $role."
        read_csr "$csr"
        [[ $csr_name == "$name" ]] ||
            die "$EX_DATAERR" "The request $csr is for \"$csr_name\", not for \"$name\"."
        say "$name.key" >"$stage/unneeded"
    elif ((new_key)); then
        new_key "$stage/top/$name.key"
    else
        [[ $state != R ]] ||
            die "$EX_DATAERR" "The certificate of \"$name\" is revoked: give it another key with" \
                "--new-key or --csr."
        ossl "read the old certificate" x509 -in "ca/issued/$serial.pem" -noout -pubkey \
            -out "$scratch/public.pem"
    fi
    install -m 644 -- "ca/issued/$serial.pem" "$stage/top/$name.crt.$serial"
    if [[ -e $name.key && ( -n $csr || $new_key -eq 1 ) ]]; then
        cp -- "$name.key" "$stage/top/$name.key.$serial"
    fi
    issue "$name" "$role" "$san"
    commit "Renewed the $role \"$name\", good until $(certificate_end "$stage/top/$name.crt"):" \
        "$dir/$name.crt$( ((new_key)) && say " and $dir/$name.key"); the old one is $name.crt.$serial."
}

# Days are counted in awk: a process per line would be slow with many sensors.
list_table() {
    awk -F '\t' -v now="$(date -u +%s)" -v all="$all" -v ca="$1" -v crl="$2" '
    function epoch(y, m, d, rest) {  # days_from_civil, Howard Hinnant, "chrono-Compatible
        if (m <= 2) y--              # Low-Level Date Algorithms"
        rest = int((153 * (m + (m > 2 ? -3 : 9)) + 2) / 5) + d - 1
        return (365 * y + int(y / 4) - int(y / 100) + int(y / 400) + rest - 719468) * 86400
    }
    function row(name, role, serial, iso, revoked,    end, p, left) {
        split(iso, p, /[-: Z]/)
        end = epoch(p[1] + 0, p[2] + 0, p[3] + 0) + p[4] * 3600 + p[5] * 60 + p[6]
        left = end - now
        states[++rows] = revoked ? "revoked" : left < 0 ? "expired" : "valid"
        names[rows] = name; roles[rows] = role; serials[rows] = serial
        ends[rows] = substr(iso, 1, 10)
        days[rows] = left < 0 ? -int((86399 - left) / 86400) : int(left / 86400)
        if (length(name) > wide) wide = length(name)
    }
    function iso_of(t) {
        if (length(t) == 13) t = (substr(t, 1, 2) < 50 ? "20" : "19") t
        return substr(t, 1, 4) "-" substr(t, 5, 2) "-" substr(t, 7, 2) " " \
            substr(t, 9, 2) ":" substr(t, 11, 2) ":" substr(t, 13, 2) "Z"
    }
    BEGIN {
        wide = 4
        split(ca, f, "\t"); row("ca.crt", "CA", f[1], f[2], 0)
        split(crl, f, "\t"); row("crl.pem", "CRL", f[1], f[2], 0)
    }
    FILENAME == "ca/names.txt" { role_of[$1] = $2; next }
    {
        name = substr($6, 5)
        line[++count] = $0; newest[name] = count
    }
    END {
        for (i = 1; i <= count; i++) {
            split(line[i], f, "\t"); name = substr(f[6], 5)
            row(name, role_of[name], f[4], iso_of(f[2]), f[1] == "R")
            if (!all && newest[name] != i && states[rows] != "valid") rows--
        }
        format = "%-" wide "s  %-6s  %-32s  %-10s  %5s  %s\n"
        printf format, "NAME", "ROLE", "SERIAL", "EXPIRES", "DAYS", "STATE"
        for (i = 1; i <= rows; i++)
            printf format, names[i], roles[i], serials[i], ends[i], days[i], states[i]
    }' ca/names.txt ca/index.txt
}

run_list() {
    local ca crl
    enter
    ca=$(ossl "read ca.crt" x509 -in ca.crt -noout -serial -enddate -dateopt iso_8601 |
        sed 's/^[^=]*=//' | paste -s) || exit
    [[ -r crl.pem ]] || die "$EX_NOINPUT" "The file $dir/crl.pem is missing: make it with certs.sh crl."
    crl=$(ossl "read crl.pem" crl -in crl.pem -noout -crlnumber -nextupdate -dateopt iso_8601 |
        sed -e 's/^[^=]*=//' -e '1s/^0x/number /' | paste -s) || exit
    list_table "$ca" "$crl"
}

# --- the command line --------------------------------------------------------

# Options may stand anywhere; sets the variables and leaves the rest in words.
parse() {
    while (($# > 0)); do
        case $1 in
        --help | -h)
            usage
            exit 0
            ;;
        --days | --crl-days | --ca-key | --csr)
            (($# > 1)) || wrong_usage "The option $1 needs a value."
            given+=("$1")
            option_value "$1" "$2"
            shift
            ;;
        --new-key) new_key=1 given+=("$1") ;;
        --all) all=1 given+=("$1") ;;
        --)
            shift
            words+=("$@")
            break
            ;;
        -*) wrong_usage "There is no option $1." ;;
        *) words+=("$1") ;;
        esac
        shift
    done
}

option_value() {
    case $1 in
    --days | --crl-days)
        [[ $2 =~ ^[1-9][0-9]{0,4}$ ]] || wrong_usage "The option $1 takes a number of days from 1 to 99999."
        if [[ $1 == --days ]]; then days=$2; else crl_days=$2; fi
        ;;
    --ca-key)
        [[ $2 == p256 || $2 == rsa3072 ]] || wrong_usage "The option --ca-key takes p256 or rsa3072."
        ca_key=$2
        ;;
    --csr) csr=$(absolute "$2") ;;
    esac
}

absolute() {
    case $1 in
    /*) say "$1" ;;
    *) say "$PWD/$1" ;;
    esac
}

# allow LEAST MOST FORM [OPTION...]: checks the words after DIR and the options.
allow() {
    local least=$1 most=$2 form=$3 option
    shift 3
    ((${#words[@]} - 2 >= least && ${#words[@]} - 2 <= most)) ||
        wrong_usage "The command is: certs.sh ${words[0]} $form."
    for option in "${given[@]}"; do
        [[ " $* " == *" $option "* ]] || wrong_usage "The option $option does not go with ${words[0]}."
    done
}

main() {
    local default_days=90
    parse "$@"
    ((${#words[@]} > 0)) || wrong_usage "Which command?"
    case ${words[0]} in
    init) allow 0 0 DIR --days --crl-days --ca-key && default_days=3650 ;;
    server) allow 1 1000 'DIR NAME [SAN...]' --days ;;
    sensor) allow 1 1 'DIR NAME' --days ;;
    sign) allow 1 1 'DIR CSR' --days ;;
    revoke) allow 1 1 'DIR NAME' --crl-days ;;
    crl) allow 0 0 DIR --crl-days ;;
    renew) allow 1 1 'DIR NAME' --days --new-key --csr ;;
    list) allow 0 0 DIR --all ;;
    *) wrong_usage "There is no command \"${words[0]}\"." ;;
    esac
    [[ -z $csr || $new_key -eq 0 ]] || wrong_usage "The options --new-key and --csr exclude each other."
    days=${days:-$default_days}
    dir=${words[1]%"${words[1]##*[!/]}"}
    [[ -n $dir ]] || dir=${words[1]:0:1}
    [[ -n $dir ]] || wrong_usage "DIR is empty."
    request="${words[0]} ${words[*]:2} ${given[*]} $days $crl_days $ca_key $csr"
    require_tools
    case ${words[0]} in
    server | sensor) run_make "${words[0]}" "${words[@]:2}" ;;
    sign) run_sign "$(absolute "${words[2]}")" ;;
    *) "run_${words[0]}" "${words[@]:2}" ;;
    esac
}

profiles=$(dirname -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")")/certs/profiles/openssl.cnf
records=(-config "$profiles" -name records)
words=() given=()
dir='' days='' crl_days=30 ca_key=p256 csr='' csr_name='' new_key=0 all=0 request=''
main "$@"
