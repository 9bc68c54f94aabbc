//! The four logout plans.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use grantor::host::{Clock as _, Fetch, FetchError, FetchRequest, FetchResponse};
use grantor::protocol::{ApplicationType, Digest, RedirectUri, ResponseType};
use grantor::record::logout::LogoutUri;
use serde_json::{Value, json};
use url::Url;

use crate::common::clients::all;
use crate::common::{Agent, Answer, Form, ISSUER, form};
use crate::suite::{Outcome, Plan, Suite, expect_only, refusal};

const CODE: Plan = Plan { response_type: ResponseType::Code, mode: None };
const BACK: &str = "https://web.example/signed-out";
const FRAME: &str = "https://web.example/front";
const MESSAGE: &str = "https://web.example/back";

/// The client's own server: it keeps what is posted to it.
#[derive(Default)]
struct Inbox(Mutex<Vec<(String, String)>>);

#[async_trait]
impl Fetch for Inbox {
    async fn fetch(&self, request: FetchRequest) -> Result<FetchResponse, FetchError> {
        let body = String::from_utf8(request.body).unwrap();
        self.0.lock().unwrap().push((request.url.into(), body));
        Ok(FetchResponse { status: 200, headers: Vec::new(), body: Vec::new() })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Nothing,
    OverTheBackChannel,
    ByTheBrowser,
}

/// A provider with everything about logout switched on, and what it posts to the client `web`.
async fn provider(told: Told) -> (Suite, Arc<Inbox>) {
    let uri = |text| RedirectUri::parse(text, ApplicationType::Web).unwrap();
    let logout_uri =
        |text, when| (told == when).then(|| LogoutUri { uri: uri(text), session_required: true });
    let mut clients = all();
    for client in &mut clients {
        Suite::open_up(client);
        if client.id.as_str() == "web" {
            client.logout.post_logout_redirect_uris = vec![uri(BACK)];
            client.logout.backchannel = logout_uri(MESSAGE, Told::OverTheBackChannel);
            client.logout.frontchannel = logout_uri(FRAME, Told::ByTheBrowser);
        }
    }
    let inbox = Arc::new(Inbox::default());
    let fetch = inbox.clone();
    let suite =
        Suite::with(clients, |builder| builder.fetch(fetch).frontchannel_logout().session_management());
    (suite.await, inbox)
}

async fn sign_in(suite: &Suite, agent: &mut Agent<'_>) -> Outcome {
    suite.flow(agent, CODE, &CODE.asking("web", "openid")).await
}

fn asking(signed_in: &Outcome) -> Form {
    let hint = signed_in.tokens["id_token"].as_str().unwrap();
    form([("id_token_hint", hint), ("post_logout_redirect_uri", BACK), ("state", "af0 &=")])
}

/// Asks for the logout, and says yes where the page asks.
async fn log_out(agent: &mut Agent<'_>, request: &Form) -> Answer {
    let answer = agent.get(&format!("/logout?{}", request.encode())).await;
    match answer.is_page() && answer.text().contains("name=\"csrf\"") {
        true => agent.post("/logout", &answer.hidden_fields()).await,
        false => answer,
    }
}

async fn is_signed_in(agent: &mut Agent<'_>) -> bool {
    let silent = CODE.asking("web", "openid").add("prompt", "none");
    let answer = agent.authorize(&silent).await;
    if answer.param("error").is_none() {
        return true;
    }
    assert_eq!(refusal(CODE, &silent, &answer), "login_required");
    false
}

/// The parameters with which the browser comes back to the client.
fn back(location: &str) -> BTreeMap<String, String> {
    let url = Url::parse(location).unwrap();
    assert_eq!((&location[..BACK.len()], url.fragment()), (BACK, None));
    url.query_pairs().into_owned().collect()
}

/// A request that ends with an error page, or with a question, and not at the client.
async fn goes_nowhere(change: impl FnOnce(Form) -> Form) {
    let (suite, _) = provider(Told::Nothing).await;
    let mut agent = suite.agent();
    let request = change(asking(&sign_in(&suite, &mut agent).await));
    let answer = agent.get(&format!("/logout?{}", request.encode())).await;
    assert!(answer.status == 400 && answer.is_page(), "{answer:?}");
    assert!(is_signed_in(&mut agent).await);
}

/// A request that ends with a page that says so, and with a logout.
async fn ends_with_a_page(change: impl FnOnce(Form) -> Form) {
    let (suite, _) = provider(Told::Nothing).await;
    let mut agent = suite.agent();
    let request = change(asking(&sign_in(&suite, &mut agent).await));
    let answer = log_out(&mut agent, &request).await;
    assert!(answer.status == 200 && answer.is_page(), "{answer:?}");
    assert!(answer.text().contains("You are signed out"), "{answer:?}");
    assert!(!is_signed_in(&mut agent).await);
}

async fn document() -> Value {
    let document =
        provider(Told::Nothing).await.0.fixture.get("/.well-known/openid-configuration").await.json();
    assert_eq!(document["end_session_endpoint"], format!("{ISSUER}/logout"));
    document
}

#[tokio::test]
async fn rp_initiated_logout_discovery_endpoint_verification() {
    document().await;
}

#[tokio::test]
async fn rp_initiated_logout() {
    let (suite, _) = provider(Told::Nothing).await;
    let mut agent = suite.agent();
    let request = asking(&sign_in(&suite, &mut agent).await);
    assert!(is_signed_in(&mut agent).await);
    let answer = log_out(&mut agent, &request).await;
    assert_eq!(back(answer.location().unwrap()), [("state".to_owned(), "af0 &=".to_owned())].into());
    assert!(!is_signed_in(&mut agent).await);
}

#[tokio::test]
async fn rp_initiated_logout_no_state() {
    let (suite, _) = provider(Told::Nothing).await;
    let mut agent = suite.agent();
    let request = asking(&sign_in(&suite, &mut agent).await).without("state");
    let answer = log_out(&mut agent, &request).await;
    assert_eq!(answer.location(), Some(BACK));
    assert!(!is_signed_in(&mut agent).await);
}

#[tokio::test]
async fn rp_initiated_logout_bad_post_logout_redirect_uri() {
    goes_nowhere(|request| request.set("post_logout_redirect_uri", "https://web.example/another")).await;
}

#[tokio::test]
async fn rp_initiated_logout_query_added_to_post_logout_redirect_uri() {
    goes_nowhere(|request| request.set("post_logout_redirect_uri", &format!("{BACK}?foo=bar"))).await;
}

#[tokio::test]
async fn rp_initiated_logout_modified_id_token_hint() {
    goes_nowhere(|request| {
        let payload = request.0[0].1.split('.').nth(1).unwrap();
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
        request.set("id_token_hint", &format!("{header}.{payload}."))
    })
    .await;
}

#[tokio::test]
async fn rp_initiated_logout_bad_id_token_hint() {
    let (other, _) = provider(Told::Nothing).await;
    let foreign = asking(&sign_in(&other, &mut other.agent()).await).0.remove(0).1;
    goes_nowhere(|request| request.set("id_token_hint", &foreign)).await;
}

#[tokio::test]
async fn rp_initiated_logout_no_id_token_hint() {
    goes_nowhere(|request| request.without("id_token_hint")).await;
}

#[tokio::test]
async fn rp_initiated_logout_no_params() {
    ends_with_a_page(|_| form([])).await;
}

#[tokio::test]
async fn rp_initiated_logout_no_post_logout_redirect_uri() {
    ends_with_a_page(|request| request.without("post_logout_redirect_uri")).await;
}

#[tokio::test]
async fn rp_initiated_logout_only_state() {
    ends_with_a_page(|_| form([("state", "af0")])).await;
}

#[tokio::test]
async fn backchannel_discovery_endpoint_verification() {
    let document = document().await;
    for name in ["backchannel_logout_supported", "backchannel_logout_session_supported"] {
        assert_eq!(document[name], true, "{name}");
    }
}

#[tokio::test]
async fn backchannel_rp_initiated_logout() {
    let (suite, inbox) = provider(Told::OverTheBackChannel).await;
    let mut agent = suite.agent();
    let signed_in = sign_in(&suite, &mut agent).await;
    let answer = log_out(&mut agent, &asking(&signed_in)).await;
    assert_eq!(back(answer.location().unwrap()).len(), 1);
    let posted = std::mem::take(&mut *inbox.0.lock().unwrap());
    let [(url, body)] = posted.as_slice() else { panic!("{posted:?}") };
    assert_eq!(url, MESSAGE);
    let fields: Vec<_> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let [(name, token)] = fields.as_slice() else { panic!("{fields:?}") };
    assert_eq!(name, "logout_token");
    let told = suite.verified(token, "web").await;
    assert_eq!(told["events"], json!({ "http://schemas.openid.net/event/backchannel-logout": {} }));
    assert_eq!((&told["sub"], &told["sid"]), (signed_in.claim("sub"), signed_in.claim("sid")));
    assert!(told["sid"].is_string() && told["jti"].is_string() && told["nonce"].is_null());
    let now = suite.fixture.clock.now().0;
    assert!((now - 60..=now).contains(&told["iat"].as_u64().unwrap()));
    assert!((now..=now + 120).contains(&told["exp"].as_u64().unwrap()));
    assert!(!is_signed_in(&mut agent).await);
}

#[tokio::test]
async fn frontchannel_discovery_endpoint_verification() {
    let document = document().await;
    for name in ["frontchannel_logout_supported", "frontchannel_logout_session_supported"] {
        assert_eq!(document[name], true, "{name}");
    }
}

#[tokio::test]
async fn frontchannel_rp_initiated_logout() {
    let (suite, _) = provider(Told::ByTheBrowser).await;
    let mut agent = suite.agent();
    let signed_in = sign_in(&suite, &mut agent).await;
    let page = log_out(&mut agent, &asking(&signed_in)).await;
    let attribute = |name: &str| {
        let value = page.text().split(&format!("{name}=\"")).nth(1).unwrap_or_else(|| panic!("{page:?}"));
        value.split('"').next().unwrap().replace("&amp;", "&")
    };
    let frame = Url::parse(&attribute("<iframe src")).unwrap();
    assert!(frame.as_str().starts_with(&format!("{FRAME}?")));
    let told: BTreeMap<String, String> = frame.query_pairs().into_owned().collect();
    let sid = signed_in.claim("sid").as_str().unwrap().to_owned();
    assert_eq!(told, [("iss".to_owned(), ISSUER.to_owned()), ("sid".to_owned(), sid)].into());
    assert_eq!(back(&attribute("href")), [("state".to_owned(), "af0 &=".to_owned())].into());
    assert!(!is_signed_in(&mut agent).await);
}

#[tokio::test]
async fn session_management_discovery_endpoint_verification() {
    assert_eq!(document().await["check_session_iframe"], format!("{ISSUER}/check_session"));
}

/// What the page in the frame answers is computed here; in `tests/browser` it answers itself.
#[tokio::test]
async fn session_management_rp_initiated_logout() {
    let (suite, _) = provider(Told::Nothing).await;
    let mut agent = suite.agent();
    let signed_in = sign_in(&suite, &mut agent).await;
    expect_only(&signed_in.params, &["code", "session_state"]);
    let (digest, salt) = signed_in.params["session_state"].split_once('.').unwrap();
    let unchanged = |agent: &Agent<'_>| {
        let shown = agent.cookies.get("__Host-grantor_state").map_or("", String::as_str);
        let now = Digest::of(format!("web https://web.example {shown} {salt}").as_bytes());
        digest == now.to_base64url()
    };
    assert_eq!(suite.fixture.get("/check_session").await.status, 200);
    assert!(unchanged(&agent));
    log_out(&mut agent, &asking(&signed_in)).await;
    assert!(!unchanged(&agent));
}
