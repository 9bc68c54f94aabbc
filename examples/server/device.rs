//! Letting a device in: the person signs in, enters the code that the device shows, and is asked on the consent page.

use std::sync::Arc;

use askama::Template as _;
use axum::body::Body;
use axum::extract::State;
use grantor::authorize::DeviceAnswer;
use grantor::protocol::Reason;
use http::{HeaderValue, StatusCode, header};
use url::form_urlencoded;

use crate::app::App;
use crate::pages::{DeviceAnsweredPage, DevicePage, DeviceProblem};
use crate::visit::{self, Answer, Visit};

/// The page, with this code in its field.
pub(crate) fn location(user_code: &str) -> String {
    match user_code {
        "" => "/device".to_owned(),
        code => format!(
            "/device?{}",
            form_urlencoded::Serializer::new(String::new()).append_pair("user_code", code).finish()
        ),
    }
}

fn sign_in_first(user_code: &str) -> Answer {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("then", "device")
        .append_pair("user_code", user_code)
        .finish();
    Ok(visit::go_to(&format!("/login?{query}")))
}

/// `GET /device`: where every device sends its user. `?user_code=` fills in the field and does no more.
pub(crate) async fn show(State(app): State<Arc<App>>, visit: Visit) -> Answer {
    let query = visit.query()?;
    page(&app, &visit, query.get("user_code").unwrap_or_default(), None).await
}

/// `POST /device`.
pub(crate) async fn submit(State(app): State<Arc<App>>, visit: Visit) -> Answer {
    let form = visit.form()?;
    let user_code = form.get("user_code").unwrap_or_default();
    let step = match app.http.enter_user_code(&visit.request, visit.peer).await {
        Err(error) => match (error.reason(), error.retry_after_seconds()) {
            (Reason::LoginNeeded, _) => return sign_in_first(user_code),
            (Reason::UserCodeUnknown | Reason::ParameterMissing, _) => {
                return page(&app, &visit, user_code, Some(DeviceProblem::WrongCode)).await;
            }
            (Reason::UserCodeTriesExhausted, Some(seconds)) => {
                let problem = DeviceProblem::TooManyCodes { minutes: seconds.div_ceil(60) };
                let mut response = page(&app, &visit, "", Some(problem)).await?;
                *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
                return Ok(response);
            }
            _ => Err(error),
        },
        step => step,
    };
    Ok(app.http.step(step, visit.request.method()).map(Body::from))
}

async fn page(app: &App, visit: &Visit, user_code: &str, problem: Option<DeviceProblem>) -> Answer {
    let Some(login) = app.server.signed_in(&visit.browser).await? else { return sign_in_first(user_code) };
    let token = app.server.form_token(&visit.browser)?;
    let page = DevicePage { username: login.subject.as_str(), csrf: token.csrf.expose(), user_code, problem };
    Ok(visit::with_cookies(app, visit::page(&page, None)?, &token.cookies))
}

/// The page that sends the person back to the device.
pub(crate) fn answered(answer: DeviceAnswer) -> String {
    DeviceAnsweredPage { approved: answer == DeviceAnswer::Approved }.render().unwrap_or_default()
}
