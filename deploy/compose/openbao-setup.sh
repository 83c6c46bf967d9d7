#!/bin/sh
# Initialises OpenBao the first time, unseals it every time, and gives the secrets service its
# AppRole. For one machine only: the unseal key and the root token are kept in /unseal.
set -eu
umask 077

field() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" | head -n 1; }

if [ ! -s /unseal/root-token ]; then
    if [ ! -s /unseal/init.json ]; then
        bao operator init -key-shares=1 -key-threshold=1 -format=json >/unseal/init.json
    fi
    tr -d '\n' </unseal/init.json | sed 's/.*"unseal_keys_b64": *\[ *"\([^"]*\)".*/\1/' >/unseal/key
    field root_token </unseal/init.json >/unseal/root-token.new
    mv /unseal/root-token.new /unseal/root-token
    rm /unseal/init.json
fi
status=0
bao status >/dev/null || status=$?
[ "$status" -eq 0 ] || bao operator unseal "$(cat /unseal/key)" >/dev/null

BAO_TOKEN=$(cat /unseal/root-token)
export BAO_TOKEN
bao secrets list -format=json | grep -q '"secret/"' ||
    bao secrets enable -path=secret -version=2 kv
bao auth list -format=json | grep -q '"approle/"' || bao auth enable approle
bao policy write cassini /setup/cassini-policy.hcl
bao write auth/approle/role/cassini token_policies=cassini token_ttl=1h token_max_ttl=24h >/dev/null
bao read -field=role_id auth/approle/role/cassini/role-id >/keys/vault-role-id
if [ ! -s /keys/vault-secret-id ]; then
    bao write -f -field=secret_id auth/approle/role/cassini/secret-id >/keys/vault-secret-id.new
    mv /keys/vault-secret-id.new /keys/vault-secret-id
fi
chown 10001:10001 /keys/vault-role-id /keys/vault-secret-id
echo "OpenBao is unsealed."
