#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# bad-certs.sh -- the catalogue of bad certificates: each is wrong in one way, and the table says
# for which reason sensorlink refuses it. For the tests, and for people who teach;
# docs/bad-certificates.md shows how they are used.
#
# DIR/ca.crt, crl.pem      three CAs that server and sensors trust, and their revocation lists
# DIR/good/                the first of them, made by certs.sh, with the server "localhost" and the
#                          sensor "weather-1", with whom nothing is wrong
# DIR/NAME.crt, NAME.key   what a sensor or a server presents (NAME.crt alone: a --cafile)
# DIR/NAME.crl             a --crlfile
# DIR/catalogue.tsv        the table; it is there when all the rest is
#
# All of it is made below DIR/.bad-certs and then moved to its place, the table last. So a run may be
# killed anywhere, and the next one makes the whole again.

set -Eeuo pipefail
umask 077
export LC_ALL=C TZ=UTC

readonly EX_USAGE=64 EX_NOINPUT=66 EX_UNAVAILABLE=69 EX_SOFTWARE=70 EX_CANTCREAT=73 EX_TEMPFAIL=75
readonly stage=.bad-certs

usage() {
    cat <<'END'
Usage: bad-certs.sh DIR      makes the catalogue of bad certificates in DIR
       bad-certs.sh --list   prints its table, and makes nothing

The table, which is also DIR/catalogue.tsv, has a line for each, and tabs between its five columns:

  name     its files are NAME.crt and NAME.key, or NAME.crt, or NAME.crl
  role     who presents it: sensor, server; or how it is used: ca (--cafile), crl (--crlfile)
  says     who refuses it: server, client; or load: the program that would use it itself
  reason   an id of docs/reasons.md; ID/ID: with TLS 1.2 and with TLS 1.3, where they differ; with load, words of the sentence (and the exit code is 78)
  what     is wrong with it

DIR is made, or is an older catalogue, which is replaced. Dates in it are good for a day.
END
}

say() { printf '%s\n' "$*"; }

# die STATUS SENTENCE
die() {
    local status=$1
    shift
    printf 'bad-certs.sh: %s\n' "$*" >&2
    exit "$status"
}

# What nobody foresaw, a full disk say. A status of die's own was explained before.
unforeseen() {
    (($1 < EX_USAGE || $1 > 78)) || exit "$1"
    die "$EX_CANTCREAT" "Stopped by the fault above (line $2 of this script): put that right and" \
        "give the same command again."
}
trap 'unforeseen "$?" "$LINENO"' ERR

# ossl ARGUMENT...: runs openssl; its own words are shown only if it fails.
ossl() {
    openssl "$@" </dev/null 2>scratch/errors ||
        die "$EX_SOFTWARE" "openssl $1 failed for $name:" \
            "$(grep -v '^Using configuration' scratch/errors | head -n 1)"
}

# --- keys, certificates and lists ---------------------------------------------------------------

# new_key NAME KIND [ec_param or rsa option...]: a key, and a request, for that is what is signed.
new_key() {
    local options=(-algorithm "$2") option
    for option in "${@:3}"; do
        options+=(-pkeyopt "$option")
    done
    ossl genpkey "${options[@]}" -out "scratch/$1.key"
    ossl req -new -key "scratch/$1.key" -subj /CN=x -out "scratch/$1.csr"
}

new_ec_key() { new_key "$1" EC "ec_paramgen_curve:${2:-P-256}" ec_param_enc:named_curve; }

# in_days N: that many days from now, as openssl takes a time.
in_days() { printf '%(%Y%m%d%H%M%SZ)T' "$((EPOCHSECONDS + $1 * 86400))"; }

# An extension that has no value is left out.
extension() {
    [[ -z $2 ]] || say "$1 = $2"
}

# issue FILE FIELD=VALUE...: signs a certificate. The fields that aren't given are a good sensor's,
# or a good server's for that role.
issue() {
    local file=$1 field by
    local -A with=([ca]=good [key]=leaf [digest]=sha256 [begins]=-1 [ends]=30 [ku]=digitalSignature
        [constraints]=CA:FALSE [subject]=/CN=weather-1 [san]=URI:urn:sensor:weather-1
        [eku]=clientAuth [other]='' [ids]=keyid:always)
    if [[ $role == server ]]; then
        with[subject]=/CN=localhost with[eku]=serverAuth
        with[san]=DNS:localhost,IP:127.0.0.1,IP:::1
    fi
    for field in "${@:2}"; do
        with[${field%%=*}]=${field#*=}
    done
    {
        extension basicConstraints "${with[constraints]:+critical,${with[constraints]}}"
        extension keyUsage "${with[ku]:+critical,${with[ku]}}"
        extension extendedKeyUsage "${with[eku]}"
        extension subjectAltName "${with[san]}"
        extension subjectKeyIdentifier "${with[ids]:+hash}"
        extension authorityKeyIdentifier "${with[ids]}"
        extension 1.3.6.1.4.1.99999.1 "${with[other]}"
    } >scratch/extensions
    if [[ ${with[ca]} == self ]]; then
        by=(-selfsign -keyfile "scratch/${with[key]}.key")
    else
        by=(-cert "scratch/${with[ca]}.crt" -keyfile "scratch/${with[ca]}.key")
    fi
    ossl ca -config scratch/config -batch -notext -preserveDN "${by[@]}" -md "${with[digest]}" \
        -in "scratch/${with[key]}.csr" -subj "${with[subject]}" -extfile scratch/extensions \
        -startdate "$(in_days "${with[begins]}")" \
        -enddate "$(in_days "${with[ends]}")" -out "$file"
    used_key=scratch/${with[key]}.key
}

# leaf FIELD=VALUE...: NAME.crt and NAME.key of this row.
leaf() {
    issue "$name.crt" "$@"
    cp -- "$used_key" "$name.key"
}

# new_ca NAME FIELD=VALUE...: a CA for scratch/, that signed itself unless told otherwise.
new_ca() {
    issue "scratch/$1.crt" ca=self subject="/CN=sensorlink catalogue, CA $1" constraints=CA:TRUE \
        ku=keyCertSign,cRLSign eku= san= "${@:2}"
    [[ $used_key -ef scratch/$1.key ]] || cp -- "$used_key" "scratch/$1.key"
}

# below CERTIFICATE FIELD=VALUE...: a leaf that comes with the certificate that signed it.
below() {
    leaf ca="$1" "${@:2}"
    cat -- "scratch/$1.crt" >>"$name.crt"
}

# list CA BEGINS ENDS [OPTION...]: prints a revocation list.
list() {
    ossl ca -config scratch/config -gencrl -cert "scratch/$1.crt" -keyfile "scratch/$1.key" \
        -crl_lastupdate "$(in_days "$2")" \
        -crl_nextupdate "$(in_days "$3")" "${@:4}"
}

crl() { list "$@" >"$name.crl"; }

# --- what openssl won't make: bytes, as hex digits (X.690) --------------------------------------

# der TAG HEX...: one element.
der() {
    local tag=$1 body size
    shift
    printf -v body %s "$@"
    size=$((${#body} / 2))
    if ((size < 128)); then
        printf '%s%02x%s' "$tag" "$size" "$body"
    elif ((size < 256)); then
        printf '%s81%02x%s' "$tag" "$size" "$body"
    else
        printf '%s82%04x%s' "$tag" "$size" "$body"
    fi
}

to_hex() { od -An -v -tx1 | tr -d ' \n'; }

# shellcheck disable=SC2001,SC2059  # The format is what is printed, and has no % in it.
from_hex() { printf "$(sed 's/../\\x&/g' <<<"$1")"; }

# hex_of TEXT: of ASCII.
hex_of() {
    local at
    for ((at = 0; at < ${#1}; at++)); do
        printf '%02x' "'${1:at:1}"
    done
}

# pem LABEL HEX
pem() {
    say "-----BEGIN $1-----"
    from_hex "$2" | openssl base64
    say "-----END $1-----"
}

# The bytes of a key behind one of the headings of "openssl pkey -text".
key_part() {
    ossl pkey -in "$1" -noout -text | awk -v wanted="$2:" '
        /^[^ ]/ { inside = $1 == wanted; next }
        inside { gsub(/[ :]/, ""); printf "%s", $0 }'
}

# The issuer's name in a CA's certificate: the second SEQUENCE of what is signed.
name_of_ca() {
    local at header length
    read -r at header length < <(ossl asn1parse -in "scratch/$1.crt" | awk '
        /:d=2 .*cons: SEQUENCE/ && ++count == 2 { gsub(/[^0-9]+/, " "); print $1, $3, $4 }')
    ossl x509 -in "scratch/$1.crt" -outform DER >scratch/der
    tail -c "+$((at + 1))" scratch/der | head -c "$((header + length))" | to_hex
}

# --- recipes for one row each -------------------------------------------------------------------

# The public half of the certificate's key with the private half of another: whoever compares the
# public halves, as openssl does, presents it, and then can't prove anything.
mismatched_halves() {
    leaf "$@"
    local private public
    private=$(printf '00%.0s' {1..32})$(key_part scratch/stranger.key priv)
    private=${private: -64} # of 32 bytes, however many openssl showed
    public=$(key_part scratch/leaf.key pub)
    pem "EC PRIVATE KEY" "$(der 30 020101 "$(der 04 "$private")" "$(der a0 06082a8648ce3d030107)" \
        "$(der a1 "$(der 03 00 "$public")")")" >"$name.key"
}

other_key() {
    leaf
    cp scratch/stranger.key "$name.key"
}

readable_key() {
    leaf
    chmod 644 "$name.key"
}

encrypted_key() {
    leaf
    ossl pkey -in scratch/leaf.key -aes256 -passout pass:secret -out "$name.key"
}

truncated() {
    leaf
    head -c 300 "$name.crt" >scratch/part
    mv scratch/part "$name.crt"
}

# A SEQUENCE that says it is longer than what follows.
no_certificate() {
    leaf
    pem CERTIFICATE "308201f03082019702$(hex_of "this is no certificate")" >"$name.crt"
}

# Every certificate is tried as the issuer of every other, so a stranger's chain costs the server.
long_chain() {
    local count
    leaf ca=rogue
    for ((count = 0; count < 24; count++)); do
        cat scratch/rogue.crt >>"$name.crt"
    done
}

signed_itself() { leaf ca=self "$@"; }

as_it_is() { cp "scratch/$1.crt" "$name.crt"; }

presents_ca() {
    cp scratch/good.crt "$name.crt"
    cp scratch/good.key "$name.key"
}

presents_sensor() {
    cp good/weather-1.crt "$name.crt"
    cp good/weather-1.key "$name.key"
}

revoked() {
    cp good/stolen.crt "$name.crt"
    cp good/stolen.key "$name.key"
}

second_is_broken() {
    cat scratch/good.crt >"$name.crt"
    pem CERTIFICATE "308201f0$(hex_of "this is no certificate")" >>"$name.crt"
}

# openssl always writes the date of the next list.
list_without_next() {
    local algorithm=300a06082a8648ce3d040302 begins body signature
    begins=$(in_days -1)
    body=$(der 30 020101 $algorithm "$(name_of_ca good)" "$(der 17 "$(hex_of "${begins#20}")")")
    signature=$(from_hex "$body" | openssl dgst -sha256 -sign scratch/good.key | to_hex)
    pem "X509 CRL" "$(der 30 "$body" $algorithm "$(der 03 00 "$signature")")" >"$name.crl"
}

not_a_list() { cp scratch/good.crt "$name.crl"; }

# --- the catalogue ------------------------------------------------------------------------------

# row NAME ROLE SAYS REASON WHAT RECIPE...: a line of the table, and what makes its files.
row() {
    name=$1 role=$2
    if ((making)); then
        "${@:6}"
        printf '%s\t%s\t%s\t%s\t%s\n' "${@:1:5}" >>catalogue.tsv
    else
        printf '%s\t%s\t%s\t%s\t%s\n' "${@:1:5}"
    fi
}

sensors_by_issuer() {
    local untrusted=client-cert-untrusted unknown=client-chain-unknown-ca
    row sensor-other-ca sensor server $untrusted \
        "another CA signed it" leaf ca=other
    row sensor-impostor-ca sensor server $untrusted \
        "another CA signed it that took the good CA's name" leaf ca=impostor ids=
    row sensor-self-signed sensor server $untrusted \
        "it signed itself" signed_itself
    row sensor-names-itself-ca sensor server $untrusted \
        "it signed itself, under the good CA's name" signed_itself "subject=$good_subject"
    row sensor-ca-certificate sensor server client-cert-wrong-usage \
        "the CA itself comes in as a sensor" presents_ca
    row sensor-by-sensor sensor server $untrusted \
        "a good sensor signed it, as if it were a CA" below sensor
    row sensor-by-pathlen sensor server $unknown \
        "a sensor with CA:FALSE and a path length signed it: Mbed TLS up to 3.6.6 takes that for a CA" \
        below pathlen
    row sensor-by-intermediate sensor server $unknown \
        "a CA below a trusted one signed it, which the server wasn't given itself" below between
    row sensor-by-forbidden-intermediate sensor server $untrusted \
        "as before, and the trusted CA's path length forbids CAs below it" below forbidden
    row sensor-large sensor server handshake-too-large \
        "it has 4000 bytes, more than is read of a stranger" \
        leaf "other=DER:$(der 04 "$(printf '00%.0s' {1..4000})")"
    row sensor-long-chain sensor server handshake-too-many-certs/handshake-too-large \
        "24 CAs of one name come with it, on a slow curve: trying all of them would take seconds" long_chain
}

sensors_by_time_and_use() {
    local wrong=client-cert-wrong-usage none=client-cert-no-usage
    row sensor-expired sensor server client-cert-expired \
        "it ended yesterday" leaf begins=-60 ends=-1
    row sensor-not-yet-valid sensor server client-cert-not-yet-valid \
        "it begins tomorrow" leaf begins=1 ends=60
    row sensor-revoked sensor server client-cert-revoked \
        "it was stolen, and is on the revocation list" revoked
    row sensor-is-server sensor server $wrong \
        "it is for servers only" leaf eku=serverAuth
    row sensor-code-signing sensor server $wrong \
        "it is for signing programs" leaf eku=codeSigning
    row sensor-no-usage sensor server $none \
        "it doesn't say what it is for" leaf eku=
    row sensor-any-usage sensor server $none \
        "it is for anything, which isn't enough" leaf eku=anyExtendedKeyUsage
    row sensor-version-1 sensor server $none \
        "it is of X.509's first version, which has no extensions" \
        leaf constraints= ku= eku= san= ids=
    row sensor-no-signing sensor server $wrong \
        "its key may encrypt but not sign" leaf ku=keyEncipherment
    row sensor-unknown-critical sensor server client-cert-unreadable \
        "it has a critical extension that nobody knows" leaf other=critical,DER:0500
}

sensors_by_key() {
    local weak=client-cert-weak missing=client-cert-missing
    row sensor-wrong-key sensor server client-key-mismatch \
        "it comes with a key that isn't its own" mismatched_halves
    row sensor-sha1 sensor server $weak \
        "it is signed with SHA-1" leaf digest=sha1
    row sensor-md5 sensor server $weak \
        "it is signed with MD5" leaf ca=rsa digest=md5
    row sensor-rsa-1024 sensor server $weak \
        "its RSA key has 1024 bits" leaf key=rsa1024
    row sensor-rsa-2048 sensor server $weak \
        "its key is RSA" leaf key=rsa2048
    row sensor-p521 sensor server $weak/$missing \
        "its key is on the curve P-521" leaf key=p521
    row sensor-secp256k1 sensor server $weak/$missing \
        "its key is on the curve of Bitcoin" leaf key=secp256k1
    row sensor-brainpool sensor server $weak/$missing \
        "its key is on a Brainpool curve" leaf key=brainpool
    row sensor-ed25519 sensor server $missing \
        "its key is Ed25519, which the server doesn't ask for, so OpenSSL sends nothing" \
        leaf key=ed25519
}

sensors_by_name() {
    local bad=client-name-bad twice=client-name-ambiguous uri=URI:urn:sensor:
    row sensor-no-name sensor server client-name-missing \
        "it names nobody" leaf subject=/ san=
    row sensor-no-cn sensor server client-name-missing \
        "it names an organisation and no sensor" leaf subject=/O=Weather san=
    row sensor-empty-name sensor server $bad \
        "its name is empty" leaf san=$uri
    row sensor-long-name sensor server $bad \
        "its name has 65 characters" leaf "san=$uri$(printf 'a%.0s' {1..65})"
    row sensor-blank-in-name sensor server $bad \
        "its name has a blank in it" leaf "san=${uri}weather 1"
    row sensor-dot-first sensor server $bad \
        "its name begins with a dot" leaf san=$uri.weather-1
    row sensor-path-as-name sensor server $bad \
        "its name leads out of a folder" leaf san=$uri../weather-1
    row sensor-newline-in-name sensor server $bad \
        "its name would begin a line of its own in the log" leaf "san=${uri}weather-1\\nadmitted"
    row sensor-escape-in-name sensor server $bad \
        "its name would clear a terminal" leaf subject=$'/CN=\e[2Jweather-1' san=
    row sensor-zero-in-name sensor server $bad \
        "its name reads weather-1 to whoever stops at the zero byte in it" \
        leaf "san=DER:$(der 30 "$(der 86 "$(hex_of urn:sensor:weather-1)00$(hex_of .example)")")"
    row sensor-umlaut-in-name sensor server $bad \
        "its name has a letter with dots" \
        leaf "san=DER:$(der 30 "$(der 86 "$(hex_of urn:sensor:)c3bc$(hex_of berall)")")"
    row sensor-wildcard sensor server $bad \
        "its DNS name stands for many" leaf 'san=DNS:*.example'
    row sensor-two-names sensor server $twice \
        "it names two sensors" leaf "san=${uri}weather-1,${uri}weather-2"
    row sensor-two-cns sensor server $twice \
        "its subject names two sensors" leaf subject=/CN=weather-1/CN=weather-2 san=
    row sensor-name-twice sensor server $twice \
        "it names its sensor twice, in two spellings" leaf "san=${uri}weather-1,URI:URN:Sensor:weather-1"
    row sensor-other-spelling sensor server client-name-spelling \
        "its name differs from weather-1, who was here before, in upper and lower case only" \
        leaf san=${uri}Weather-1
}

servers() {
    local untrusted=server-cert-untrusted weak=server-cert-weak wrong=server-cert-wrong-usage
    row server-other-ca server client $untrusted \
        "another CA signed it" leaf ca=other
    row server-impostor-ca server client $untrusted \
        "another CA signed it that took the good CA's name" leaf ca=impostor ids=
    row server-self-signed server client $untrusted \
        "it signed itself" signed_itself
    row server-by-sensor server client $untrusted \
        "a good sensor signed it, as if it were a CA" below sensor
    row server-by-pathlen server client server-chain-unknown-ca \
        "a sensor with CA:FALSE and a path length signed it" below pathlen
    row server-by-intermediate server client server-chain-unknown-ca \
        "a CA below a trusted one signed it, which the sensor wasn't given itself" below between
    row server-expired server client server-cert-expired \
        "it ended yesterday" leaf begins=-60 ends=-1
    row server-not-yet-valid server client server-cert-not-yet-valid \
        "it begins tomorrow" leaf begins=1 ends=60
    row server-is-sensor server client $wrong \
        "a good sensor plays the server" presents_sensor
    row server-no-usage server client $wrong \
        "it doesn't say what it is for" leaf eku=
    row server-any-usage server client $wrong \
        "it is for anything, which isn't enough" leaf eku=anyExtendedKeyUsage
    row server-no-signing server client peer-refused/$wrong \
        "its key may agree but not sign" leaf ku=keyAgreement
    row server-unknown-critical server client server-cert-unreadable \
        "it has a critical extension that nobody knows" leaf other=critical,DER:0500
    row server-wrong-key server client server-key-mismatch \
        "it comes with a key that isn't its own" mismatched_halves
    row server-sha1 server client $weak \
        "it is signed with SHA-1" leaf digest=sha1
    row server-rsa-2048 server client peer-refused/$weak \
        "its key is RSA" leaf key=rsa2048
    row server-md5 server client $weak \
        "it is signed with MD5" leaf ca=rsa digest=md5
    row server-p521 server client peer-refused \
        "its key is on the curve P-521, which the sensor doesn't offer" leaf key=p521
}

servers_by_name() {
    local wrong=server-name-mismatch
    row server-other-name server client $wrong \
        "it is for another host" leaf subject=/CN=elsewhere san=DNS:elsewhere.example
    row server-other-address server client $wrong \
        "it is for another address" leaf san=IP:192.0.2.7
    row server-cn-only server client $wrong \
        "only its subject says localhost, which is no place for a host's name" leaf san=
    row server-address-as-name server client $wrong \
        "it has the address as if it were a name" leaf san=DNS:127.0.0.1
    row server-cn-beside-names server client $wrong \
        "it is for another host, and only its subject says localhost" leaf san=DNS:elsewhere.example
    row server-wildcard-alone server client $wrong \
        "its name is a star" leaf 'san=DNS:*'
    row server-wildcard-below server client $wrong \
        "its star stands for what is below localhost" leaf 'san=DNS:*.localhost'
    row server-wildcard-inside server client $wrong \
        "its star stands for a part of a name" leaf 'san=DNS:local*'
    row server-zero-in-name server client $wrong \
        "its name reads localhost to whoever stops at the zero byte in it" \
        leaf "san=DER:$(der 30 "$(der 82 "$(hex_of localhost)00$(hex_of .example)")")"
    row server-no-name server client $wrong \
        "it names nobody" leaf subject=/ san=
    row server-uri-as-name server client $wrong \
        "it has the name in a URI" leaf san=URI:https://localhost
}

# What a program finds in its own files, before it connects or listens.
loaded() {
    row sensor-other-key sensor load "doesn't belong to --cert" \
        "its key is another's" other_key
    row sensor-key-readable sensor load "can be read by others" \
        "anybody on the machine may read its key" readable_key
    row sensor-key-encrypted sensor load "isn't an unencrypted PEM private key" \
        "its key needs a password" encrypted_key
    row sensor-cert-truncated sensor load "isn't a PEM certificate" \
        "half of its file is missing" truncated
    row sensor-cert-garbage sensor load "isn't a PEM certificate" \
        "what is in its file isn't a certificate" no_certificate
    row server-key-readable server load "can be read by others" \
        "anybody on the machine may read its key" readable_key
    row server-key-rsa server load "isn't an EC key" \
        "its key is RSA" leaf key=rsa2048
    row ca-expired ca load "has expired" \
        "the CA ended yesterday" as_it_is old
    row ca-not-yet-valid ca load "isn't valid yet" \
        "the CA begins tomorrow" as_it_is early
    row ca-is-leaf ca load "isn't a CA certificate" \
        "it is a sensor's certificate" as_it_is sensor
    row ca-version-1 ca load "isn't a CA certificate" \
        "it is of X.509's first version, which can't say that it is a CA" as_it_is version1
    row ca-of-others ca load "isn't signed by a CA of --cafile" \
        "it is a good CA, but not the one that signed the server or the sensor" as_it_is other
    row ca-second-broken ca load "can't be read" \
        "its second certificate isn't one: nothing of it is used" second_is_broken
    row crl-other-ca crl load "isn't signed by a CA of --cafile" \
        "another CA signed it" crl other -1 30
    row crl-impostor-ca crl load "isn't signed by a CA of --cafile" \
        "another CA signed it that took the good CA's name" crl impostor -1 30
    row crl-expired crl load "out of date" \
        "the next one was due yesterday" crl good -30 -1
    row crl-not-yet-valid crl load "begins in the future" \
        "it begins tomorrow" crl good 1 30
    row crl-no-next crl load "has no date of its next update" \
        "it doesn't say when the next one is due" list_without_next
    row crl-sha1 crl load "isn't signed by a CA of --cafile" \
        "it is signed with SHA-1" crl good -1 30 -md sha1
    row crl-not-a-list crl load "can't be read" \
        "it is a certificate" not_a_list
}

catalogue() {
    sensors_by_issuer
    sensors_by_time_and_use
    sensors_by_key
    sensors_by_name
    servers
    servers_by_name
    loaded
}

# --- making it ----------------------------------------------------------------------------------

certs_sh() {
    "$certs" "$@" >/dev/null || die "$EX_SOFTWARE" "certs.sh could not make the good certificates."
}

good_ones() {
    certs_sh init good
    certs_sh server good localhost
    certs_sh sensor good weather-1
    certs_sh sensor good stolen
    certs_sh revoke good stolen
    cp good/ca.crt scratch/good.crt
    cp good/ca.key scratch/good.key
    cp good/weather-1.crt scratch/sensor.crt
    cp good/weather-1.key scratch/sensor.key
    good_subject=/CN=$(ossl x509 -in good/ca.crt -noout -subject -nameopt multiline |
        sed -n 's/^ *commonName *= //p')
}

keys() {
    new_ec_key open
    new_key rsa RSA rsa_keygen_bits:2048
    new_ec_key leaf
    new_ec_key stranger
    new_ec_key p521 P-521
    new_ec_key secp256k1 secp256k1
    new_ec_key brainpool brainpoolP512r1
    new_key rsa1024 RSA rsa_keygen_bits:1024
    new_key rsa2048 RSA rsa_keygen_bits:2048
    new_key ed25519 ED25519
}

# Those that nobody trusts have the stranger's key.
authorities() {
    name="a CA" role=ca
    new_ca open key=open
    new_ca rsa key=rsa
    cat scratch/{good,open,rsa}.crt >ca.crt
    { cat good/crl.pem && list open -1 30 && list rsa -1 30; } >crl.pem
    new_ca other key=stranger
    new_ca impostor key=stranger "subject=$good_subject" ids=
    new_ca old key=stranger begins=-60 ends=-1
    new_ca early key=stranger begins=1 ends=60
    new_ca rogue key=brainpool begins=-3650 ends=-365 ids=
    new_ca version1 key=stranger constraints= ku= ids=
    new_ca between key=stranger ca=open
    new_ca forbidden key=stranger ca=good
    new_ca pathlen key=stranger ca=open constraints=DER:3003020101 ku= eku=clientAuth
}

configure() {
    mkdir scratch
    : >scratch/index.txt
    cat >scratch/config <<'END'
[ca]
default_ca = signing
[signing]
database = scratch/index.txt
new_certs_dir = scratch
serial = scratch/serial
rand_serial = yes
unique_subject = no
default_md = sha256
email_in_dn = yes
policy = subject
crl_extensions = list
[subject]
commonName = optional
organizationName = optional
[list]
authorityKeyIdentifier = keyid:always
END
}

make_all() {
    making=1
    configure
    good_ones
    keys
    authorities
    catalogue
    rm -rf scratch
}

# Only an empty folder, or an older catalogue, is written to.
enter() {
    if ! { mkdir -p -- "$1" && cd -- "$1"; } 2>/dev/null || [[ ! -w . ]]; then
        die "$EX_CANTCREAT" "The folder $1 can't be made or written: name another."
    fi
    if [[ ! -e catalogue.tsv && ! -d $stage && -n $(ls -A) ]]; then
        die "$EX_CANTCREAT" "The folder $1 holds other things: name an empty one, or one to be made."
    fi
}

make() {
    enter "$1"
    exec 9<.
    flock -n 9 || die "$EX_TEMPFAIL" "Another bad-certs.sh is working in $1: try again when it has ended."
    rm -rf "$stage"
    mkdir "$stage"
    (cd "$stage" && make_all)
    rm -rf catalogue.tsv good
    find "$stage" -mindepth 1 -maxdepth 1 ! -name catalogue.tsv -exec mv -f -- {} . \;
    mv "$stage/catalogue.tsv" .
    rmdir "$stage"
    say "Made $(grep -c . catalogue.tsv) bad certificates and lists in $1; $1/catalogue.tsv lists them."
}

require_tools() {
    local tool
    for tool in openssl flock; do
        command -v "$tool" >/dev/null || die "$EX_UNAVAILABLE" "The command $tool is missing: install it."
    done
    [[ -x $certs ]] || die "$EX_NOINPUT" "The script $certs is missing."
}

certs=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/certs.sh
making=0 name='' role='' used_key='' good_subject=''
case $#:${1:-} in
1:--help | 1:-h) usage ;;
1:--list) catalogue ;;
1:-* | 1:) die "$EX_USAGE" "There is no option '$1'. See bad-certs.sh --help." ;;
1:*)
    require_tools
    make "$1"
    ;;
*) die "$EX_USAGE" "One folder has to be named. See bad-certs.sh --help." ;;
esac
