"""The fields that the contract gives people and orgs, for the tests of their routes."""

USER = {"id", "username", "avatar_url"}
DETAILS = USER | {
    "created_at",
    "full_name",
    "email",
    "admin",
    "locked",
    "locked_reason",
    "is_multiple_ssh_keys",
    "active",
}
ORG = {
    "id",
    "created_at",
    "avatar_url",
    "name",
    "email",
    "description",
    "website_url",
    "logo_image_url",
    "limits_id",
    "limits",
    "is_primary",
    "locked",
    "locked_reason",
}
