//! Objects that are encrypted to the server.

use super::*;

/// Encrypts to the first key of the server that is for `alg`.
async fn encrypt(fixture: &Fixture, alg: KeyManagement, content: &str) -> String {
    let keys = JwkSet::from_value(&fixture.get("/jwks").await.json()).unwrap();
    let key = EncryptingKey::new(keys.for_encryption(alg).unwrap(), alg).unwrap();
    encrypt_to(&key, content)
}

fn encrypt_to(key: &EncryptingKey, content: &str) -> String {
    let mut random = [0; EncryptionSeed::LEN];
    grantor::host::OsEntropy.fill(&mut random).unwrap();
    let header = key.header(ContentEncryption::A256Gcm).with_cty("JWT");
    encrypt_compact(key, &header, content.as_bytes(), EncryptionSeed::new(&random)).unwrap()
}

/// A server with keys for these algorithms.
async fn decrypting(
    algorithms: &[KeyManagement],
    configure: impl FnOnce(Builder) -> Builder,
) -> (Fixture, Arc<KeyRingSigner>) {
    let plain = strict();
    let ring = KeyRingSigner::open(
        plain.store.clone(),
        plain.server.settings().namespace,
        Sealer::new(&[7; 32]),
        plain.clock.clone(),
        KeyRingOptions::new([Algorithm::Es256]).encryption(algorithms.iter().copied()),
    );
    let ring = Arc::new(ring.await.unwrap());
    let (signer, decrypter, clock) = (ring.clone(), ring.clone(), plain.clock.clone());
    let fixture = with(|builder| configure(builder.signer(signer).decrypter(decrypter).clock(clock)));
    (Fixture { clock: plain.clock, ..fixture }, ring)
}

const FOR_US: [KeyManagement; 2] = [KeyManagement::EcdhEs, KeyManagement::RsaOaep256];

#[tokio::test]
async fn an_object_may_be_encrypted_to_the_server_and_is_signed_all_the_same() {
    let (fixture, _) = decrypting(&FOR_US, |builder| builder).await;
    for alg in FOR_US {
        let object = encrypt(&fixture, alg, &sign(&claims("web"))).await;
        let (_, _, state) = allowed(&fixture, &carrying("web", &object)).await;
        assert_eq!(state.as_deref(), Some("inside"), "{alg}");
        for content in [
            unsecured(&claims("web")),
            claims("web").to_string(),
            sign_with(&OTHER_KEY, &Header::new(KEY.alg()), &claims("web")),
            encrypt(&fixture, alg, &sign(&claims("web"))).await,
        ] {
            let request = carrying("web", &encrypt(&fixture, alg, &content).await);
            refused_beside(&ask(&fixture, &request).await, "invalid_request_object", &content);
        }
        for at in [object.len() - 1, object.len() / 2] {
            let (start, end) = object.split_at(at);
            let changed = format!("{start}{}{}", if end.starts_with('A') { 'B' } else { 'A' }, &end[1..]);
            refused_beside(
                &ask(&fixture, &carrying("web", &changed)).await,
                "invalid_request_object",
                "changed",
            );
        }
        let stranger = DecryptingKey::generate(alg).unwrap();
        let stranger = EncryptingKey::new(stranger.public().unwrap(), alg).unwrap();
        let elsewhere = carrying("web", &encrypt_to(&stranger, &sign(&claims("web"))));
        refused_beside(&ask(&fixture, &elsewhere).await, "invalid_request_object", "not for us");
        let keyless = carrying("web", &object);
        refused_beside(&ask(&strict(), &keyless).await, "invalid_request_object", "no key here");
    }
}

#[tokio::test]
async fn what_is_encrypted_and_no_more_is_unsecured() {
    let (fixture, _) = decrypting(&FOR_US, |builder| builder.profile(Profile::OidcCompat)).await;
    let object = encrypt(&fixture, FOR_US[0], &unsecured(&claims("spa"))).await;
    assert!(is_taken(&fixture, &carrying("spa", &object)).await);
    let required = RequestObjectRegistration { required: true, ..RequestObjectRegistration::default() };
    register(&fixture, "spa", required);
    assert!(!is_taken(&fixture, &carrying("spa", &object)).await);
}

#[tokio::test]
async fn keys_to_encrypt_to_are_published_and_outlive_their_rotation() {
    let (fixture, ring) = decrypting(&FOR_US[..1], |builder| builder).await;
    let document = fixture.get("/.well-known/openid-configuration").await.json();
    assert_eq!(
        document["request_object_encryption_alg_values_supported"],
        json!(["ECDH-ES", "A128KW", "A192KW", "A256KW", "A128GCMKW", "A192GCMKW", "A256GCMKW", "dir"])
    );
    assert_eq!(document["request_object_encryption_enc_values_supported"], json!(ContentEncryption::ALL));
    let kid = async || {
        let keys = fixture.get("/jwks").await.json();
        let uses: Vec<_> = keys["keys"].as_array().unwrap().iter().map(|key| key["use"].clone()).collect();
        assert_eq!(uses.iter().filter(|one| *one == "sig").count(), uses.len() / 2, "{uses:?}");
        let keys = JwkSet::from_value(&keys).unwrap();
        keys.for_encryption(FOR_US[0]).unwrap().kid().unwrap().to_owned()
    };
    let before = kid().await;
    let lasting = without(claims("web"), "exp");
    let object = encrypt(&fixture, FOR_US[0], &sign(&lasting)).await;
    ring.rotate().await.unwrap();
    assert_ne!(kid().await, before, "the newest is the first");
    assert!(is_taken(&fixture, &carrying("web", &object)).await);
    let object = encrypt(&fixture, FOR_US[0], &sign(&lasting)).await;
    assert!(is_taken(&fixture, &carrying("web", &object)).await);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_for_an_object_is_taken_or_makes_the_server_panic(
        text in "\\PC{0,200}", header in "\\PC{0,60}", payload in "\\PC{0,200}", cut in any::<prop::sample::Index>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let fixture = strict();
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let good = sign(&claims("web"));
        let cut = good[..cut.index(good.len())].to_owned();
        for object in [text, format!("{}.{}.", encode(&header), encode(&payload)), format!("{cut}.{payload}"), cut] {
            let answer = runtime.block_on(ask(&fixture, &carrying("web", &object).add("x", "y")));
            let plain = object.is_empty();
            prop_assert_eq!(Agent::is_at(&answer, "/login"), false);
            prop_assert!(plain || answer.param("error").as_deref() == Some("invalid_request_object"), "{:?}", answer);
        }
    }
}
