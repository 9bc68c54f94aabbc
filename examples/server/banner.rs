//! What the server prints at its start: where it is, who can sign in, and lines to paste into a shell.

use std::fmt::Write as _;

use grantor::protocol::Digest;
use url::form_urlencoded;

use crate::app::App;
use crate::demo::{self, DemoClient};

/// The client in the lines about codes.
const WEB: &str = "demo-web";
/// The client in the line about client credentials.
const SERVICE: &str = "demo-service";

/// The whole text.
pub(crate) fn text(app: &App, self_signed: bool) -> String {
    let issuer = &app.server.settings().issuer;
    let mut text = format!(
        "Issuer        {issuer}\nMetadata      {}\nHome          {}\n",
        issuer.endpoint("/.well-known/openid-configuration"),
        issuer.endpoint("/")
    );
    if let Some(registration) = &app.server.settings().self_registration {
        let _ = writeln!(text, "Registration  {}", registration.url);
    }
    if app.has_demo_users {
        let (username, password) = demo::USER;
        let _ = writeln!(text, "Demo user     {username} / {password}");
    }
    if app.has_demo_clients {
        let clients = demo::listing();
        text.push_str("Demo clients\n");
        for client in &clients {
            describe(&mut text, client);
        }
        let _ = writeln!(text, "Demo TV       {}", issuer.endpoint("/tv"));
        let find = |id| clients.iter().find(|client| client.client_id == id);
        if let (Some(web), Some(service)) = (find(WEB), find(SERVICE)) {
            try_it(&mut text, app, web, service, if self_signed { "curl -sk" } else { "curl -s" });
        }
    }
    text.push_str("Stop it with ctrl-c.\n");
    text
}

fn describe(text: &mut String, client: &DemoClient) {
    let secret = client.client_secret.as_deref().unwrap_or("(public)");
    let _ = writeln!(text, "  {:<17} {secret}", client.client_id);
    let grants = client.grant_types.join(", ");
    let redirects = client.redirect_uris.join(", ");
    for line in [grants, redirects].iter().filter(|line| !line.is_empty()) {
        let _ = writeln!(text, "  {:<17} {line}", "");
    }
}

/// An OpenID authorization request and the requests around it, each a line for a POSIX shell.
fn try_it(text: &mut String, app: &App, web: &DemoClient, service: &DemoClient, curl: &str) {
    let issuer = &app.server.settings().issuer;
    let (token, revoke) = (issuer.endpoint("/token"), issuer.endpoint("/revoke"));
    let (introspect, me) = (issuer.endpoint("/introspect"), issuer.endpoint("/api/me"));
    let userinfo = issuer.endpoint("/userinfo");
    let (Some(verifier), Some(state), Some(nonce)) = (random(), random(), random()) else { return };
    let challenge = Digest::of(verifier.as_bytes()).to_base64url();
    let redirect_uri = web.redirect_uris.first().map_or("", String::as_str);
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("response_type", "code")
        .append_pair("client_id", &web.client_id)
        .append_pair("redirect_uri", redirect_uri)
        .append_pair("scope", "openid profile email api:read")
        .append_pair("state", &state)
        .append_pair("nonce", &nonce)
        .append_pair("code_challenge", &challenge)
        .append_pair("code_challenge_method", "S256")
        .finish();
    let authorize = issuer.endpoint("/authorize");
    let secret = |client: &DemoClient| client.client_secret.clone().unwrap_or_default();
    let basic = format!("{}:{}", web.client_id, secret(web));
    let pick = |name: &str| format!(r#"sed -n 's/.*"{name}":"\([^"]*\)".*/\1/p'"#);
    let resource = app
        .resource
        .as_ref()
        .map(|resource| format!(" --data-urlencode 'resource={resource}'"))
        .unwrap_or_default();
    let _ = write!(
        text,
        r#"
A token for a client itself, as a JWT:
  {curl} {token} -d grant_type=client_credentials -d client_id={service_id} -d client_secret={service_secret} -d scope=api:read{resource}

Tokens for a user, an ID token among them: open this, sign in, and copy the code from the address bar.
Nothing listens there, and the code is good for a minute.
  {authorize}?{query}
The code verifier is {verifier}
  CODE=...
  ANSWER=$({curl} {token} -u {basic} -d grant_type=authorization_code -d code=$CODE -d redirect_uri={redirect_uri} -d code_verifier={verifier}); echo "$ANSWER"
  ACCESS=$(echo "$ANSWER" | {access}); REFRESH=$(echo "$ANSWER" | {refresh})
Who that is, what it opens, what it is, a new one for it, and its end:
  {curl} {userinfo} -H "Authorization: Bearer $ACCESS"
  {curl} {me} -H "Authorization: Bearer $ACCESS"
  {curl} {introspect} -u {basic} -d token=$ACCESS
  {curl} {token} -u {basic} -d grant_type=refresh_token -d refresh_token=$REFRESH
  {curl} {revoke} -u {basic} -d token=$REFRESH -w '%{{http_code}}\n'

"#,
        service_id = service.client_id,
        service_secret = secret(service),
        access = pick("access_token"),
        refresh = pick("refresh_token"),
    );
}

/// 43 random characters: a code verifier, a `state` or a `nonce`.
fn random() -> Option<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).ok()?;
    Some(Digest(bytes).to_base64url())
}
