//! The published examples: RFC 7516 Appendix A, RFC 7518 Appendices B and C.

use super::*;
use crate::jose::jwe::agreement::{Purpose, agree, derive};
use crate::jose::jwk::Material;
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, X25519};

/// RFC 7516 A.1.7.
const RSA_OAEP_TOKEN: &str = concat!(
    "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.OKOawDo13gRp2ojaHV7LFpZcgV7T6DVZKTyKOMTYUmK",
    "oTCVJRgckCL9kiMT03JGeipsEdY3mx_etLbbWSrFr05kLzcSr4qKAq7YN7e9jwQRb23nfa6c9d-",
    "StnImGyFDbSv04uVuxIp5Zms1gNxKKK2Da14B8S4rzVRltdYwam_lDp5XnZAYpQdb76FdIKLaVmqgfwX7XWRxv2322",
    "i-",
    "vDxRfqNzo_tETKzpVLzfiwQyeyPGLBIO56YJ7eObdv0je81860ppamavo35UgoRdbYaBcoh9QcfylQr66oc6vFWXRc",
    "Z_ZT2LawVCWTIy3brGPi6UklfCpIMfIjf7iGdXKHzg.48V1_ALb6US04U3b.5eym8TW_c8SuK0ltJ3rpYIzOeDQz7T",
    "ALvtu6UG9oMo4vpzs9tX_EFShS8iB7j6jiSdiwkIr3ajwQzaBtQD_A.XFBoMYUZodetZdvTiFvSkQ",
);

/// RFC 7516 A.2.7.
const RSA1_5_TOKEN: &str = concat!(
    "eyJhbGciOiJSU0ExXzUiLCJlbmMiOiJBMTI4Q0JDLUhTMjU2In0.UGhIOguC7IuEvf_NPVaXsGMoLOmwvc1GyqlIKO",
    "K1nN94nHPoltGRhWhw7Zx0-",
    "kFm1NJn8LE9XShH59_i8J0PH5ZZyNfGy2xGdULU7sHNF6Gp2vPLgNZ__deLKxGHZ7PcHALUzoOegEI-",
    "8E66jX2E4zyJKx-YxzZIItRzC5hlRirb6Y5Cl_p-ko3YvkkysZIFNPccxRU7qve1WYPxqbb2Yw8kZqa2rMWI5ng8Ot",
    "vzlV7elprCbuPhcCdZ6XDP0_F8rkXds2vE4X-ncOIM8hAYHHi29NX0mcKiRaD0-D-ljQTP-cFPgwCp6X-",
    "nZZd9OHBv-",
    "B3oWh2TbqmScqXMR4gp_A.AxY8DCtDaGlsbGljb3RoZQ.KDlTtXchhZTGufMYmOYGS4HffxPSUrfmqCHXaI9wOGY.9",
    "hH0vgRfYgPnAHOd8stkvw",
);

/// RFC 7516 A.3.7.
const A128KW_TOKEN: &str = concat!(
    "eyJhbGciOiJBMTI4S1ciLCJlbmMiOiJBMTI4Q0JDLUhTMjU2In0.6KB707dM9YTIgHtLvtgWQ8mKwboJW3of9lociz",
    "kDTHzBC2IlrT1oOQ.AxY8DCtDaGlsbGljb3RoZQ.KDlTtXchhZTGufMYmOYGS4HffxPSUrfmqCHXaI9wOGY.U0m_Ym",
    "jN04DJvceFICbCVQ",
);

/// RFC 7516 A.1.3.
const RSA_KEY: &str = concat!(
    r#"{"kty":"RSA","e":"AQAB""#,
    r#","n":""#,
    "oahUIoWw0K0usKNuOR6H4wkf4oBUXHTxRvgb48E-",
    "BVvxkeDNjbC4he8rUWcJoZmds2h7M70imEVhRU5djINXtqllXI4DFqcI1DgjT9LewND8MW2Krf3Spsk_ZkoFnilakG",
    "ygTwpZ3uesH-PFABNIUYpOiN15dsQRkgr0vEhxN92i2asbOenSZeyaxziK72UwxrrKoExv6kc5twXTq4h-",
    "QChLOln0_mtUZwfsRaMStPs6mS6XrgxnxbWhojf663tuEQueGC-",
    "FCMfra36C9knDFGzKsNa7LZK2djYgyD3JR_MB_4NUJW_TqOQtwHYbxevoJArm-L5StowjzGy-_bq6Gw",
    "\"",
    r#","d":""#,
    "kLdtIj6GbDks_ApCSTYQtelcNttlKiOyPzMrXHeI-yk1F7-kpDxY4-",
    "WY5NWV5KntaEeXS1j82E375xxhWMHXyvjYecPT9fpwR_M9gV8n9Hrh2anTpTD93Dt62ypW3yDsJzBnTnrYu1iwWRgB",
    "KrEYY46qAZIrA2xAwnm2X7uGR1hghkqDp0Vqj3kbSCz1XyfCs6_LehBwtxHIyh8Ripy40p24moOAbgxVw3rxT_vlt3",
    "UVe4WO3JkJOzlpUf-KTVI2Ptgm-dARxTEtE-id-4OJr0h-K-",
    "VFs3VSndVTIznSxfyrj8ILL6MG_Uv8YAu7VILSB3lOW085-4qE3DzgrTjgyQ",
    "\"",
    r#","p":""#,
    "1r52Xk46c-LsfB5P442p7atdPUrxQSy4mti_tZI3Mgf2EuFVbUoDBvaRQ-SWxkbkmoEzL7JXroSBjSrK3YIQgYdMgy",
    "AEPTPjXv_hI2_1eTSPVZfzL0lffNn03IXqWF5MDFuoUYE0hzb2vhrlN_rKrbfDIwUbTrjjgieRbwC6Cl0",
    "\"",
    r#","q":""#,
    "wLb35x7hmQWZsWJmB_vle87ihgZ19S8lBEROLIsZG4ayZVe9Hi9gDVCOBmUDdaDYVTSNx_8Fyw1YYa9XGrGnDew00J",
    "28cRUoeBB_jKI1oma0Orv1T9aXIWxKwd4gvxFImOWr3QRL9KEBRzk2RatUBnmDZJTIAfwTs0g68UZHvtc",
    "\"",
    r#","dp":""#,
    "ZK-YwE7diUh0qR1tR7w8WHtolDx3MZ_OTowiFvgfeQ3SiresXjm9gZ5KLhMXvo-uz-KUJWDxS5pFQ_M0evdo1dKiRT",
    "jVw_x4NyqyXPM5nULPkcpU827rnpZzAJKpdhWAgqrXGKAECQH0Xt4taznjnd_zVpAmZZq60WPMBMfKcuE",
    "\"",
    r#","dq":""#,
    "Dq0gfgJ1DdFGXiLvQEZnuKEN0UUmsJBxkjydc3j4ZYdBiMRAy86x0vHCjywcMlYYg4yoC4YZa9hNVcsjqA3FeiL19r",
    "k8g6Qn29Tt0cj8qqyFpz9vNDBUfCAiJVeESOjJDZPYHdHY8v1b-o-Z2X5tvLx-TCekf7oxyeKDUqKWjis",
    "\"",
    r#","qi":""#,
    "VIMpMYbPf47dT1w_zDUXfPimsSegnMOA1zTaX7aGk_8urY6R8-",
    "ZW1FxU7AlWAyLWybqq6t16VFd7hQd0y6flUK4SlOydB61gwanOsXGOAOv82cHq0E3eL4HrtZkUuKvnPrMnsUUFlfUd",
    "ybVzxyjz9JF_XyaY14ardLSjf4L_FNY",
    "\"",
    "}",
);

/// RFC 7516 A.3.3.
const A128KW_KEY: &str = r#"{"kty":"oct","k":"GawgguFyGrWKav7AX4VKUg"}"#;

fn private(alg: KeyManagement, jwk: &str) -> DecryptingKey {
    DecryptingKey::from_private_jwk(alg, jwk.as_bytes()).unwrap()
}

fn opened(token: &str, key: &DecryptingKey) -> String {
    let opened = Encrypted::parse(token).unwrap().decrypt(key, &ContentEncryption::ALL).unwrap();
    String::from_utf8(opened.plaintext().to_vec()).unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn the_rsa_oaep_example_of_rfc_7516_decrypts() {
    let text = "The true sign of intelligence is not knowledge but imagination.";
    assert_eq!(opened(RSA_OAEP_TOKEN, &private(KeyManagement::RsaOaep, RSA_KEY)), text);
}

#[test]
fn the_rsa1_5_example_of_rfc_7516_is_refused() {
    assert_eq!(Encrypted::parse(RSA1_5_TOKEN).unwrap_err(), JoseError::UnsupportedAlgorithm);
}

#[test]
fn the_aes_key_wrap_example_of_rfc_7516_decrypts_and_is_made_byte_for_byte() {
    let text = "Live long and prosper.";
    assert_eq!(opened(A128KW_TOKEN, &private(KeyManagement::A128Kw, A128KW_KEY)), text);

    let content_key = [
        4, 211, 31, 197, 84, 157, 252, 254, 11, 100, 157, 250, 63, 170, 106, 206, 107, 124, 212, 45, 111,
        107, 9, 219, 200, 177, 0, 240, 143, 156, 44, 207,
    ];
    let iv = [3, 22, 60, 12, 43, 67, 104, 105, 108, 108, 105, 99, 111, 116, 104, 101];
    let mut seed = [0; EncryptionSeed::LEN];
    seed[..32].copy_from_slice(&content_key);
    seed[64..80].copy_from_slice(&iv);
    let secret = base64url::decode("GawgguFyGrWKav7AX4VKUg").unwrap();
    let key = EncryptingKey::from_secret(KeyManagement::A128Kw, &secret).unwrap();
    let header = key.header(ContentEncryption::A128CbcHs256);
    let token = encrypt_compact(&key, &header, text.as_bytes(), EncryptionSeed::new(&seed)).unwrap();
    assert_eq!(token, A128KW_TOKEN);
}

#[test]
fn the_cbc_examples_of_rfc_7518_are_made_and_opened() {
    let key = (0..64).collect::<Vec<u8>>();
    let plaintext =
        b"A cipher system must not be required to be secret, and it must be able to fall into the hands of \
        the enemy without inconvenience";
    let aad = b"The second principle of Auguste Kerckhoffs";
    let iv = hex("1af38c2dc2b96ffdd86694092341bc04");
    for (enc, expected, expected_tag) in [
        (
            ContentEncryption::A128CbcHs256,
            concat!(
                "c80edfa32ddf39d5ef00c0b468834279a2e46a1b8049f792f76bfe54b903a9c9a94ac9b47ad2655c5f10f9aef7",
                "1427e2fc6f9b3f399a221489f16362c703233609d45ac69864e3321cf82935ac4096c86e133314c54019e8ca79",
                "80dfa4b9cf1b384c486f3a54c51078158ee5d79de59fbd34d848b3d69550a67646344427ade54b8851ffb598f7",
                "f80074b9473c82e2db",
            ),
            "652c3fa36b0a7c5b3219fab3a30bc1c4",
        ),
        (
            ContentEncryption::A192CbcHs384,
            concat!(
                "ea65da6b59e61edb419be62d19712ae5d303eeb50052d0dfd6697f77224c8edb000d279bdc14c1072654bd3094",
                "4230c657bed4ca0c9f4a8466f22b226d1746214bf8cfc2400add9f5126e479663fc90b3bed787a2f0ffcbf3904",
                "be2a641d5c2105bfe591bae23b1d7449e532eef60a9ac8bb6c6b01d35d49787bcd57ef484927f280adc91ac0c4",
                "e79c7b11efc60054e3",
            ),
            "8490ac0e58949bfe51875d733f93ac2075168039ccc733d7",
        ),
        (
            ContentEncryption::A256CbcHs512,
            concat!(
                "4affaaadb78c31c5da4b1b590d10ffbd3dd8d5d302423526912da037ecbcc7bd822c301dd67c373bccb584ad3e",
                "9279c2e6d12a1374b77f077553df829410446b36ebd97066296ae6427ea75c2e0846a11a09ccf5370dc80bfecb",
                "ad28c73f09b3a3b75e662a2594410ae496b2e2e6609e31e6e02cc837f053d21f37ff4f51950bbe2638d09dd7a4",
                "930930806d0703b1f6",
            ),
            "4dd3b4c088a7f45c216839645b2012bf2e6269a8c56a816dbc1b267761955bc5",
        ),
    ] {
        let key = &key[..enc.key_len()];
        let (ciphertext, tag) = enc.seal(key, &iv, aad, plaintext).unwrap();
        assert_eq!((ciphertext.clone(), tag.clone()), (hex(expected), hex(expected_tag)), "{enc}");
        assert_eq!(enc.open(key, &iv, aad, &ciphertext, &tag).unwrap(), plaintext);
    }
}

#[test]
fn the_key_agreement_example_of_rfc_7518_is_derived_by_both_sides() {
    let decode = |text| base64url::decode(text).unwrap();
    let side = |x, y, d| {
        let material = Material::Ec { curve: Curve::P256, x: decode(x), y: decode(y) };
        (PrivateKey::from_private_key(&ECDH_P256, &decode(d)).unwrap(), material)
    };
    let (alice, alice_public) = side(
        "gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0",
        "SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps",
        "0_NxaRPUMQoAJt50Gz8YiTr8gRTwyEaCumd-MToTmIo",
    );
    let (bob, bob_public) = side(
        "weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",
        "e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck",
        "VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw",
    );
    let purpose =
        Purpose { alg: KeyManagement::EcdhEs, enc: ContentEncryption::A128Gcm, apu: b"Alice", apv: b"Bob" };
    let shared = [
        158, 86, 217, 29, 129, 113, 53, 211, 114, 131, 66, 131, 191, 132, 38, 156, 251, 49, 110, 163, 218,
        128, 106, 72, 246, 218, 167, 121, 140, 254, 144, 196,
    ];
    let expected = base64url::decode("VqqN6vgjbSBcIijNcacQGg").unwrap();
    assert_eq!(*derive(&shared, &purpose).unwrap(), expected);
    assert_eq!(*agree(&alice, &bob_public, &purpose).unwrap(), expected);
    assert_eq!(*agree(&bob, &alice_public, &purpose).unwrap(), expected);
}

#[test]
fn the_x25519_example_of_rfc_8037_has_the_same_ephemeral_key_and_shared_secret() {
    let ephemeral = hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
    let mut seed = [0; EncryptionSeed::LEN];
    seed[80..112].copy_from_slice(&ephemeral);
    let bob = r#"{"kty":"OKP","crv":"X25519","kid":"Bob","x":"3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08"}"#;
    let bob = Jwk::parse(bob.as_bytes()).unwrap();
    let key = EncryptingKey::new(&bob, KeyManagement::EcdhEsA128Kw).unwrap();
    let header = key.header(ContentEncryption::A128Gcm);
    let token = encrypt_compact(&key, &header, b"text", EncryptionSeed::new(&seed)).unwrap();
    let epk = serde_json::json!({
        "kty": "OKP", "crv": "X25519", "x": "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo"
    });
    assert_eq!(Encrypted::parse(&token).unwrap().header().get("epk"), Some(&epk));

    let shared = hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
    let purpose = Purpose { alg: key.alg(), enc: ContentEncryption::A128Gcm, apu: &[], apv: &[] };
    let private = PrivateKey::from_private_key(&X25519, &ephemeral).unwrap();
    assert_eq!(agree(&private, bob.material(), &purpose).unwrap(), derive(&shared, &purpose).unwrap());
}
