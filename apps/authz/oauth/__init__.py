"""Our OAuth2 and OpenID Connect server, around django-oauth-toolkit's validator and oauthlib's flows."""
