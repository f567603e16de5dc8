-- What the application role may do with tokens: recognise one that it is shown. It can neither list nor make one.

grant usage on schema security to {app_role};
grant execute on function security.tokens_exist(), security.find_token(bytea), security.token_used(uuid) to {app_role};
