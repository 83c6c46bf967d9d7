# All that Cassini's secrets service may do in Vault or OpenBao:
#   bao policy write cassini deploy/openbao/cassini-policy.hcl
# Change "secret" and "cassini" where CASSINI_VAULT_MOUNT and CASSINI_VAULT_PREFIX name others.

# Read and write values.
path "secret/data/cassini/*" {
  capabilities = ["create", "read", "update"]
}

# See which versions a credential has, and delete them softly. Cassini destroys nothing.
path "secret/metadata/cassini/*" {
  capabilities = ["read"]
}
path "secret/delete/cassini/*" {
  capabilities = ["update"]
}

# Look at and renew its own token; for roles without the default policy.
path "auth/token/lookup-self" {
  capabilities = ["read"]
}
path "auth/token/renew-self" {
  capabilities = ["update"]
}
