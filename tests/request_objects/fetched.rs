//! Objects and keys that are fetched from servers of the clients.

use super::*;

/// The web: it answers every request alike, and remembers where it was asked.
pub(super) struct Web {
    answer: Mutex<Result<(u16, Vec<u8>), FetchError>>,
    asked: Mutex<Vec<FetchRequest>>,
}

impl Web {
    pub(super) fn with(document: impl Into<Vec<u8>>) -> Arc<Self> {
        Arc::new(Self { answer: Mutex::new(Ok((200, document.into()))), asked: Mutex::default() })
    }

    fn say(&self, answer: Result<(u16, Vec<u8>), FetchError>) {
        *self.answer.lock().unwrap() = answer;
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

#[async_trait]
impl Fetch for Web {
    async fn fetch(&self, request: FetchRequest) -> Result<FetchResponse, FetchError> {
        self.asked.lock().unwrap().push(request);
        tokio::task::yield_now().await;
        let (status, body) = self.answer.lock().unwrap().clone()?;
        let headers = vec![("content-type".to_owned(), b"application/json".to_vec())];
        Ok(FetchResponse { status, headers, body })
    }
}

const PLACE: &str = "https://web.example/object?a=b";

/// A server that fetches request objects, for `web` from [`PLACE`].
pub(super) fn fetching(web: &Arc<Web>) -> Fixture {
    let web = web.clone();
    let fixture = with(|builder| builder.profile(Profile::OidcCompat).fetch(web));
    let uris = vec![format!("{PLACE}#registered").into(), "https://web.example/other".into()];
    register(&fixture, "web", RequestObjectRegistration { uris, ..RequestObjectRegistration::default() });
    fixture
}

fn referring(uri: &str) -> Form {
    carrying("web", "").without("request").add("request_uri", uri)
}

#[tokio::test]
async fn an_object_may_be_where_the_client_registered_it() {
    for object in [sign(&claims("web")), unsecured(&claims("web")), format!("{}\n", sign(&claims("web")))] {
        let web = Web::with(object);
        let fixture = fetching(&web);
        for uri in [format!("{PLACE}#registered"), PLACE.to_owned(), format!("{PLACE}#L7y0cPFCqk")] {
            let (_, _, state) = allowed(&fixture, &referring(&uri)).await;
            assert_eq!(state.as_deref(), Some("inside"));
        }
        let asked = web.asked.lock().unwrap();
        assert!(asked.iter().all(|request| request.url.as_str() == PLACE && request.max_bytes == 32 * 1024));
    }
}

#[tokio::test]
async fn no_object_is_fetched_from_anywhere_else() {
    let web = Web::with(sign(&claims("web")));
    let fixture = fetching(&web);
    let long = format!("{PLACE}#{}", "x".repeat(512));
    for uri in [
        "https://web.example/object",
        "https://web.example/object?a=b&c",
        "https://web.example/object?A=b",
        "http://web.example/object?a=b",
        "https://evil.example/object?a=b",
        "https://web.example:444/object?a=b",
        "urn:ietf:params:oauth:request_uri:6esc_11ACC5bwc014ltc14eY22c",
        "file:///etc/passwd",
        "x",
        &long,
    ] {
        refused_beside(&ask(&fixture, &referring(uri)).await, "invalid_request_uri", uri);
        assert!(ask(&fixture, &referring(uri).without("redirect_uri")).await.is_page(), "{uri}");
        let other = referring(uri).set("client_id", "post").set("redirect_uri", redirect_uri("post"));
        let answer = ask(&fixture, &other).await;
        assert_eq!(answer.param("error").as_deref(), Some("invalid_request_uri"), "{uri}");
    }
    let other = referring(PLACE).set("client_id", "post").set("redirect_uri", redirect_uri("post"));
    assert_eq!(ask(&fixture, &other).await.param("error").as_deref(), Some("invalid_request_uri"));
    fixture.server.disable_client(&"web".into()).await.unwrap();
    assert!(ask(&fixture, &referring(PLACE)).await.is_page());
    assert_eq!(web.asked(), 0);
}

#[tokio::test]
async fn an_object_that_cannot_be_had_or_is_none_is_answered_to_the_client() {
    let web = Web::with("");
    let fixture = fetching(&web);
    let mut place = 0;
    let mut ask_anew = async |answer| {
        web.say(answer);
        fixture.clock.forward(10);
        place += 1;
        ask(&fixture, &referring(&format!("{PLACE}#{place}"))).await
    };
    for answer in [
        Err(FetchError::Timeout),
        Err(FetchError::TooLarge),
        Err(FetchError::Refused("a special-use address")),
        Ok((404, sign(&claims("web")).into_bytes())),
        Ok((302, sign(&claims("web")).into_bytes())),
        Ok((200, vec![0xff])),
    ] {
        refused_beside(&ask_anew(answer.clone()).await, "invalid_request_uri", &format!("{answer:?}"));
    }
    for document in [String::new(), "<html>".to_owned(), sign(&claims("post")), unsecured(&claims("post"))] {
        let answer = ask_anew(Ok((200, document.clone().into_bytes()))).await;
        refused_beside(&answer, "invalid_request_object", &document);
    }
}

#[tokio::test]
async fn a_document_is_kept_for_a_minute_and_a_failure_for_ten_seconds() {
    let web = Web::with(sign(&set(claims("web"), "exp", NOW + 600)));
    let fixture = fetching(&web);
    for (after, asked) in [(0, 1), (59, 1), (1, 2), (30, 2)] {
        fixture.clock.forward(after);
        assert!(is_taken(&fixture, &referring(PLACE)).await);
        assert_eq!(web.asked(), asked, "after {after}");
    }
    assert!(is_taken(&fixture, &referring(&format!("{PLACE}#new"))).await);
    assert_eq!(web.asked(), 3, "another fragment is another version");
    fixture.clock.forward(10);
    web.say(Err(FetchError::Timeout));
    let other = referring("https://web.example/other");
    for (after, asked) in [(0, 4), (9, 4), (1, 5)] {
        fixture.clock.forward(after);
        assert!(!is_taken(&fixture, &other).await);
        assert_eq!(web.asked(), asked, "after {after}");
    }
}

#[tokio::test]
async fn a_document_is_fetched_three_times_in_ten_seconds_whatever_the_fragments() {
    let web = Web::with(sign(&claims("web")));
    let fixture = fetching(&web);
    for (after, asked) in [(0, 3), (9, 3), (1, 6)] {
        fixture.clock.forward(after);
        for fragment in 0..20 {
            let taken = is_taken(&fixture, &referring(&format!("{PLACE}#{after}-{fragment}"))).await;
            assert!(taken, "what was fetched last is good for everyone");
        }
        assert_eq!(web.asked(), asked, "after {after}");
    }
    web.say(Err(FetchError::Timeout));
    fixture.clock.forward(60);
    for fragment in 0..20 {
        assert!(!is_taken(&fixture, &referring(&format!("{PLACE}#failing-{fragment}"))).await);
    }
    assert_eq!(web.asked(), 9);
}

#[tokio::test]
async fn who_asks_for_a_document_that_is_being_fetched_waits_for_it() {
    let web = Web::with(sign(&claims("web")));
    let fixture = fetching(&web);
    let request = referring(PLACE);
    let (one, two, three) = tokio::join!(
        is_taken(&fixture, &request),
        is_taken(&fixture, &request),
        is_taken(&fixture, &request)
    );
    assert!(one && two && three);
    assert_eq!(web.asked(), 1);
}

#[tokio::test]
async fn a_new_document_is_kept_instead_of_the_oldest() {
    let web = Web::with(sign(&claims("web")));
    let fixture = fetching(&web);
    let places: Vec<String> = (0..257).map(|number| format!("https://web.example/{number}")).collect();
    let uris = places.iter().map(|place| place.as_str().into()).collect();
    register(&fixture, "web", RequestObjectRegistration { uris, ..RequestObjectRegistration::default() });
    for place in &places {
        assert!(is_taken(&fixture, &referring(place)).await);
    }
    for (number, asked) in [(256, 257), (1, 257), (0, 258)] {
        assert!(is_taken(&fixture, &referring(&places[number])).await);
        assert_eq!(web.asked(), asked, "{number}");
    }
}

#[tokio::test]
async fn what_was_asked_stays_what_it_was_while_the_user_answers() {
    let web = Web::with(sign(&claims("web")));
    let fixture = fetching(&web);
    let mut agent = fixture.agent();
    let answer = agent.authorize(&referring(PLACE)).await;
    web.say(Ok((200, sign(&set(claims("web"), "scope", "read write")).into_bytes())));
    fixture.clock.forward(100);
    let answer = agent.login(Agent::interaction(&answer), "alice").await;
    let id = Agent::interaction(&answer);
    assert_eq!(agent.view(id).await.unwrap().scope, scope("read"));
    let answer = agent.approve(id, &scope("read")).await;
    assert_eq!((answer.param("state").as_deref(), web.asked()), (Some("inside"), 1));
}

#[tokio::test]
async fn the_keys_of_the_client_may_be_elsewhere() {
    let set = JwkSet::new(vec![KEY.public()]).unwrap();
    let web = Web::with(serde_json::to_vec(&set).unwrap());
    let keys = web.clone();
    let clock = strict().clock;
    let fixture = with(|builder| {
        builder.clock(clock.clone()).client_jwks(Arc::new(FetchedJwks::new(keys, clock.clone())))
    });
    fixture.clients.change("web", |client| {
        client.keys.source = KeySource::At("https://web.example/jwks".parse().unwrap());
    });
    assert!(is_taken(&fixture, &carrying("web", &sign(&claims("web")))).await);
    fixture.clients.change("web", |client| client.keys.source = KeySource::None);
    let request = carrying("web", &sign(&claims("web")));
    refused_beside(&ask(&fixture, &request).await, "invalid_request_object", "no keys");
}
