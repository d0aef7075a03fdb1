-- Tokens belong to an application, and through it to an organisation: whoever may see the application
-- may see its tokens. The subquery runs under the application's own policy.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['authz_grant', 'authz_accesstoken', 'authz_refreshtoken', 'authz_idtoken'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format(
            'CREATE POLICY organisation ON %I TO bezant_app '
            'USING ((SELECT bezant_sees_all()) OR application_id IN (SELECT id FROM authz_application)) '
            'WITH CHECK ((SELECT bezant_sees_all()) OR application_id IN (SELECT id FROM authz_application))',
            name);
        EXECUTE format('CREATE POLICY owner ON %I TO bezant_owner USING (true) WITH CHECK (true)', name);
        -- Reports and the sealer have no use for credentials, not even for their digests.
        EXECUTE format('REVOKE SELECT ON %I FROM bezant_reader', name);
    END LOOP;
END $$;
REVOKE SELECT ON authz_idtokenkey FROM bezant_reader;
REVOKE DELETE ON authz_idtokenkey, authz_application FROM bezant_app;

-- Who holds this token? Asked before the organisation is known, hence past row-level security; it
-- answers for one digest at a time, and only for a live token of a live client and user.
CREATE FUNCTION authz_token_holder(p_digest text)
RETURNS TABLE (client_id text, organisation_id uuid, scope text, allowed_scopes text[], user_id uuid,
               party_id uuid, expires timestamptz, cnf jsonb)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT a.client_id, a.organisation_id, t.scope, a.allowed_scopes::text[], t.user_id, l.party_id, t.expires, t.cnf
    FROM authz_accesstoken t
    JOIN authz_application a ON a.id = t.application_id
    LEFT JOIN accounts_user u ON u.id = t.user_id
    LEFT JOIN accounts_customerlogin l ON l.user_id = t.user_id AND l.organisation_id = a.organisation_id
    WHERE t.token_checksum = p_digest AND t.expires > clock_timestamp() AND a.disabled_at IS NULL
      AND (t.user_id IS NULL OR (u.is_active AND l.party_id IS NOT NULL))
$$;
REVOKE EXECUTE ON FUNCTION authz_token_holder(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION authz_token_holder(text) TO bezant_app;
