//! Who acts for whom, as a token and an introspection tell it (RFC 8693 §4.1, §4.4).

use serde_json::Value;

use super::subject::seen_by;
use crate::protocol::Reason;
use crate::protocol::json::Object;
use crate::record::exchange::{Exchanged, Principal, act};
use crate::record::{Client, Context};

/// What is told of the actors of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegation {
    /// `act`: who acts, and who acted before.
    pub act: Option<Value>,
    /// `may_act`: who may act in a further exchange.
    pub may_act: Option<Value>,
}

impl Delegation {
    /// What the client of a token is told, by the names it knows users by; `None` where there is nothing to tell.
    ///
    /// # Errors
    /// Those of [`seen_by`].
    pub fn of(
        exchange: Option<&Exchanged>,
        client: &Client,
        cx: &Context<'_>,
    ) -> Result<Option<Self>, Reason> {
        let Some(exchange) = exchange.filter(|own| !own.actors.is_empty() || own.may_act.is_some()) else {
            return Ok(None);
        };
        let seen = |principal: &Principal| match principal {
            Principal::Subject(id) => Ok(Principal::Subject(seen_by(client, id, cx)?)),
            other => Ok(other.clone()),
        };
        let actors: Vec<Principal> = exchange.actors.iter().map(seen).collect::<Result<_, Reason>>()?;
        let may_act = exchange.may_act.as_ref().map(seen).transpose()?;
        Ok(Some(Self { act: act(&actors), may_act: may_act.map(|own| own.to_claim().into()) }))
    }

    pub(crate) fn write(&self, json: &mut Object) {
        for (name, value) in [("act", &self.act), ("may_act", &self.may_act)] {
            if let Some(value) = value {
                json.member(name, value);
            }
        }
    }
}
