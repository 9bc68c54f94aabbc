//! What each scope means, in the words the consent page and the home page show. Decides nothing.

/// Says in plain words what `scope` allows, to be read after "It asks to"; an unknown scope stands for itself.
pub(crate) fn describe(scope: &str) -> &str {
    match scope {
        "openid" => "Know who you are",
        "profile" => "See your name and profile",
        "email" => "See your email address",
        "address" => "See your postal address",
        "phone" => "See your phone number",
        "offline_access" => "Keep access while you are away",
        "api:read" => "Read your data in the demo API",
        "api:write" => "Change your data in the demo API",
        other => other,
    }
}

/// Says in plain words what a claim asked for by itself tells, to be read after "Wants to know".
pub(crate) fn describe_claim(claim: &str) -> String {
    format!("your {}", claim.replace('_', " "))
}

#[cfg(test)]
mod tests {
    use super::describe;

    #[test]
    fn an_unknown_scope_is_shown_as_it_was_asked() {
        assert_eq!(describe("photos.print"), "photos.print");
    }
}
