//! The linter: which configurations contradict their profile, a specification or themselves.

use std::time::Duration;

use url::Url;

use super::Settings;
use crate::protocol::GrantType;

impl Settings {
    /// Whether users can be sent to this URL, with something appended.
    fn is_page(&self, url: &str) -> bool {
        let scheme =
            |url: &Url| url.scheme() == "https" || (url.scheme() == "http" && !self.issuer.is_https());
        Url::parse(url).is_ok_and(|url| scheme(&url) && url.query().is_none() && url.fragment().is_none())
    }

    /// Refuses a configuration that contradicts its profile or a specification. Lifetimes other than the code's are
    /// knobs: the profile sets their defaults.
    ///
    /// # Errors
    /// [`ConfigError`], naming the setting and the rule.
    pub fn lint(&self) -> Result<(), ConfigError> {
        let broken = self.rules().into_iter().find(|(holds, ..)| !holds);
        broken.map_or(Ok(()), |(_, setting, rule)| Err(ConfigError { setting, rule }))
    }

    /// Whether each rule holds, the setting it is about, and the rule.
    fn rules(&self) -> [(bool, &'static str, &'static str); 32] {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        const MINUTE: Duration = Duration::from_secs(60);
        const WHOLE: &str = "whole seconds, and above zero";
        let whole = |time: Duration| time.subsec_nanos() == 0;
        let lasting = |time: Duration| whole(time) && !time.is_zero();
        let Self { lifetimes, refresh, backchannel, device, assertions, grant_types, response_types, .. } =
            self;
        [
            (
                lasting(lifetimes.code) && lifetimes.code <= self.dials.code_lifetime,
                "lifetimes.code",
                "whole seconds, above zero and at most what the profile allows",
            ),
            (
                lasting(lifetimes.device_code) && lifetimes.device_code <= 60 * MINUTE,
                "lifetimes.device_code",
                "whole seconds, above zero and at most one hour: a user code can be phished as long",
            ),
            (
                lasting(lifetimes.auth_req_id) && lifetimes.auth_req_id <= 60 * MINUTE,
                "lifetimes.auth_req_id",
                "whole seconds, above zero and at most one hour",
            ),
            (
                lasting(backchannel.interval) && backchannel.interval <= MINUTE,
                "backchannel.interval",
                "whole seconds, above zero and at most one minute",
            ),
            (
                !grant_types.contains(&GrantType::Ciba)
                    || (backchannel.reaches_users && self.is_openid_provider()),
                "grant_types",
                "backchannel authentication needs an authentication device and the scope openid (CIBA Core §7.1)",
            ),
            (backchannel.rules >= self.dials.backchannel, "backchannel.rules", "no laxer than the profile's"),
            (
                lasting(device.interval) && device.interval <= MINUTE,
                "device.interval",
                "whole seconds, above zero and at most one minute",
            ),
            (
                self.is_page(&device.verification_uri),
                "device.verification_uri",
                "an https URL without query and fragment, or an http URL where the issuer is one",
            ),
            (lasting(lifetimes.session), "lifetimes.session", WHOLE),
            (whole(lifetimes.consent), "lifetimes.consent", "whole seconds"),
            (lasting(lifetimes.refresh_token), "lifetimes.refresh_token", WHOLE),
            (lasting(lifetimes.refresh_token_idle), "lifetimes.refresh_token_idle", WHOLE),
            (
                lifetimes.refresh_token_idle <= lifetimes.refresh_token,
                "lifetimes.refresh_token_idle",
                "must not exceed lifetimes.refresh_token",
            ),
            (
                lasting(lifetimes.jwt_access_token) && lifetimes.jwt_access_token <= self.longest_jwt,
                "lifetimes.jwt_access_token",
                "whole seconds, above zero and at most the signer's longest token or one day: a JWT cannot be called \
                 back",
            ),
            (
                lasting(lifetimes.id_token) && lifetimes.id_token <= self.longest_jwt,
                "lifetimes.id_token",
                "whole seconds, above zero and at most the signer's longest token or one day: a JWT cannot be called \
                 back",
            ),
            (lasting(lifetimes.opaque_access_token), "lifetimes.opaque_access_token", WHOLE),
            (
                lasting(lifetimes.interaction) && lifetimes.interaction <= DAY,
                "lifetimes.interaction",
                "whole seconds, above zero and at most one day",
            ),
            (
                whole(refresh.retry_window) && refresh.retry_window <= 5 * MINUTE,
                "refresh.retry_window",
                "whole seconds and at most five minutes: it is a window for replays",
            ),
            (
                response_types.iter().all(|own| !own.has_token() || self.dials.response_types.contains(own)),
                "response_types",
                "an access token in the authorization response needs the feature legacy-implicit and a profile that \
                 takes it (RFC 9700 §2.1.2)",
            ),
            (
                !grant_types.contains(&GrantType::Implicit),
                "grant_types",
                "implicit follows from the response types",
            ),
            (
                !grant_types.contains(&GrantType::TokenExchange) || self.token_exchange,
                "grant_types",
                "token exchange needs a policy that says who may (RFC 8693 §5)",
            ),
            (
                !grant_types.contains(&GrantType::JwtBearer) || self.assertion_trust || self.token_exchange,
                "grant_types",
                "assertions as grants need someone who knows which issuers to trust, or a policy of exchanges (RFC 7521 §8.1)",
            ),
            (
                !grant_types.contains(&GrantType::Password) || (self.dials.password && self.passwords),
                "grant_types",
                "password needs the feature legacy-password, the profile oidc_compat and someone who knows the passwords \
                 (RFC 9700 §2.4)",
            ),
            (
                grant_types.iter().all(|own| match own {
                    GrantType::Extension(name) => self.extensions.get(name).is_some(),
                    _ => true,
                }),
                "grant_types",
                "a grant type of the host's own is added together with how it decides",
            ),
            (!grant_types.is_empty(), "grant_types", "at least one must be switched on"),
            (
                !grant_types.contains(&GrantType::AuthorizationCode)
                    || response_types.iter().any(|own| own.has_code()),
                "response_types",
                "authorization_code needs one with a code",
            ),
            (
                lasting(assertions.longest_life) && assertions.longest_life <= 60 * MINUTE,
                "assertions.longest_life",
                "whole seconds, above zero and at most one hour: so long a stolen assertion is of use, and its jti \
                 remembered",
            ),
            (
                self.dials
                    .client_auth_methods
                    .iter()
                    .filter(|method| method.is_assertion())
                    .all(|method| !assertions.algorithms(&[*method]).is_empty()),
                "assertions",
                "at least one algorithm for each method that the profile takes",
            ),
            (
                self.request_objects <= self.dials.request_objects,
                "request_objects",
                "no more than the profile takes",
            ),
            (
                !self.is_openid_provider() || !self.signing_algorithms.is_empty(),
                "scope",
                "openid needs a signer: an ID token is always signed (OpenID Connect Core §2)",
            ),
            (self.longest_jwt <= DAY, "longest_jwt", "at most one day"),
            (self.max_access_tokens > 0, "max_access_tokens", "must be above zero"),
        ]
    }
}

/// A configuration mistake.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {rule}")]
pub struct ConfigError {
    /// The setting at fault.
    pub setting: &'static str,
    /// The rule it breaks.
    pub rule: &'static str,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::jose::{Algorithm, Sealer};
    use crate::profile::{BackchannelRules, Profile, RequestObjects};
    use crate::protocol::{ExtensionGrantType, Issuer, ResponseType, Scope};

    type Mistake = (&'static str, fn(&mut Settings));

    const SECOND: Duration = Duration::from_secs(1);
    const HALF: Duration = Duration::from_millis(500);
    const DAY: Duration = Duration::from_secs(24 * 3600);

    /// An OpenID Provider with a signer.
    fn settings() -> Settings {
        let issuer = Issuer::new("https://as.example").unwrap();
        let mut settings = Settings::new(issuer, Profile::Strict, Sealer::new(&[1; 32]));
        settings.scope = Scope::parse("openid read").unwrap();
        settings.signing_algorithms = vec![Algorithm::Es256];
        settings
    }

    const MISTAKES: &[Mistake] = &[
        ("lifetimes.code", |s| s.lifetimes.code = Duration::ZERO),
        ("lifetimes.code", |s| s.lifetimes.code = s.dials.code_lifetime + SECOND),
        ("lifetimes.code", |s| s.lifetimes.code = HALF),
        ("lifetimes.device_code", |s| s.lifetimes.device_code = Duration::ZERO),
        ("lifetimes.device_code", |s| s.lifetimes.device_code = Duration::from_secs(3601)),
        ("lifetimes.auth_req_id", |s| s.lifetimes.auth_req_id = HALF),
        ("lifetimes.auth_req_id", |s| s.lifetimes.auth_req_id = Duration::from_secs(3601)),
        ("backchannel.interval", |s| s.backchannel.interval = Duration::ZERO),
        ("backchannel.interval", |s| s.backchannel.interval = Duration::from_secs(61)),
        ("backchannel.rules", |s| s.dials.backchannel = BackchannelRules::Fapi),
        ("grant_types", |s| s.grant_types.push(GrantType::Ciba)),
        ("device.interval", |s| s.device.interval = HALF),
        ("device.interval", |s| s.device.interval = Duration::ZERO),
        ("device.interval", |s| s.device.interval = Duration::from_secs(61)),
        ("device.verification_uri", |s| s.device.verification_uri = "http://as.example/device".into()),
        ("device.verification_uri", |s| s.device.verification_uri = "https://as.example/device?x=y".into()),
        ("device.verification_uri", |s| s.device.verification_uri = "https://as.example/device#x".into()),
        ("device.verification_uri", |s| s.device.verification_uri = "/device".into()),
        ("request_objects", |s| s.request_objects = RequestObjects::OpenId),
        ("lifetimes.session", |s| s.lifetimes.session = HALF),
        ("lifetimes.session", |s| s.lifetimes.session = Duration::ZERO),
        ("lifetimes.consent", |s| s.lifetimes.consent = HALF),
        ("lifetimes.refresh_token", |s| s.lifetimes.refresh_token = Duration::ZERO),
        ("lifetimes.refresh_token", |s| s.lifetimes.refresh_token += HALF),
        ("lifetimes.refresh_token_idle", |s| s.lifetimes.refresh_token_idle = HALF),
        ("lifetimes.refresh_token_idle", |s| s.lifetimes.refresh_token_idle = Duration::ZERO),
        ("lifetimes.refresh_token_idle", |s| {
            s.lifetimes.refresh_token_idle = s.lifetimes.refresh_token + SECOND;
        }),
        ("lifetimes.jwt_access_token", |s| s.lifetimes.jwt_access_token = Duration::ZERO),
        ("lifetimes.jwt_access_token", |s| s.lifetimes.jwt_access_token = HALF),
        ("lifetimes.jwt_access_token", |s| s.lifetimes.jwt_access_token = DAY + SECOND),
        ("lifetimes.jwt_access_token", |s| s.longest_jwt = s.lifetimes.jwt_access_token - SECOND),
        ("lifetimes.id_token", |s| s.lifetimes.id_token = Duration::ZERO),
        ("lifetimes.id_token", |s| s.lifetimes.id_token = HALF),
        ("lifetimes.id_token", |s| s.lifetimes.id_token = DAY + SECOND),
        ("lifetimes.id_token", |s| s.longest_jwt = s.lifetimes.id_token - SECOND),
        ("lifetimes.opaque_access_token", |s| s.lifetimes.opaque_access_token = Duration::ZERO),
        ("lifetimes.opaque_access_token", |s| s.lifetimes.opaque_access_token = HALF),
        ("lifetimes.interaction", |s| s.lifetimes.interaction = Duration::ZERO),
        ("lifetimes.interaction", |s| s.lifetimes.interaction = HALF),
        ("lifetimes.interaction", |s| s.lifetimes.interaction = DAY + SECOND),
        ("refresh.retry_window", |s| s.refresh.retry_window = HALF),
        ("refresh.retry_window", |s| s.refresh.retry_window = Duration::from_secs(301)),
        ("response_types", |s| s.response_types.push(ResponseType::CodeToken)),
        ("response_types", |s| s.response_types.clear()),
        ("response_types", |s| s.response_types = vec![ResponseType::None, ResponseType::IdToken]),
        ("grant_types", |s| s.grant_types.push(GrantType::Implicit)),
        ("grant_types", |s| s.grant_types.push(GrantType::Password)),
        ("grant_types", |s| s.grant_types.push(GrantType::TokenExchange)),
        ("grant_types", |s| s.grant_types.push(GrantType::JwtBearer)),
        ("grant_types", |s| {
            let name = ExtensionGrantType::new("urn:example:nobody").unwrap();
            s.grant_types.push(GrantType::Extension(name));
        }),
        ("grant_types", |s| s.grant_types.clear()),
        ("assertions.longest_life", |s| s.assertions.longest_life = Duration::ZERO),
        ("assertions.longest_life", |s| s.assertions.longest_life = HALF),
        ("assertions.longest_life", |s| s.assertions.longest_life = Duration::from_secs(3601)),
        #[cfg(feature = "aws-lc-rs")]
        ("assertions", |s| s.assertions.macs.clear()),
        #[cfg(feature = "aws-lc-rs")]
        ("assertions", |s| s.assertions.signatures.clear()),
        ("scope", |s| s.signing_algorithms.clear()),
        ("longest_jwt", |s| s.longest_jwt = DAY + SECOND),
        ("max_access_tokens", |s| s.max_access_tokens = 0),
    ];

    #[test]
    fn every_mistake_is_refused_by_the_name_of_its_setting() {
        assert_eq!(settings().lint(), Ok(()));
        let mut broken = BTreeSet::new();
        for (number, (setting, make)) in MISTAKES.iter().enumerate() {
            let mut settings = settings();
            make(&mut settings);
            assert_eq!(settings.lint().unwrap_err().setting, *setting, "mistake {number}");
            broken.insert(settings.lint().unwrap_err().rule.to_owned() + setting);
        }
        let never = usize::from(cfg!(not(feature = "aws-lc-rs")));
        assert_eq!(broken.len() + never, settings().rules().len(), "a rule that no mistake breaks");
    }

    #[test]
    fn what_is_just_within_a_rule_is_accepted() {
        let within: [fn(&mut Settings); 8] = [
            |s| s.lifetimes.code = s.dials.code_lifetime,
            |s| s.lifetimes.jwt_access_token = DAY,
            |s| s.lifetimes.id_token = DAY,
            |s| s.lifetimes.refresh_token_idle = s.lifetimes.refresh_token,
            |s| s.refresh.retry_window = Duration::ZERO,
            |s| s.lifetimes.consent = Duration::ZERO,
            |s| s.max_access_tokens = 1,
            |s| {
                s.grant_types = vec![GrantType::ClientCredentials];
                s.response_types.clear();
            },
        ];
        for (number, change) in within.iter().enumerate() {
            let mut settings = settings();
            change(&mut settings);
            assert_eq!(settings.lint(), Ok(()), "change {number}");
        }
    }
}
