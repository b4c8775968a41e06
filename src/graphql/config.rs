use std::time::Duration;

use async_graphql::{Context, Object, Result, SimpleObject};

use crate::{
    access::Access,
    authenticate::{Authentication, Credential},
};

/// Queries about what this service does.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ConfigQueries;

#[Object]
impl ConfigQueries {
    /// What user interfaces have to know of this service.
    async fn app_config(&self, ctx: &Context<'_>) -> Result<Option<AppConfig>> {
        let lifetimes = ctx.data::<Access>()?.lifetimes();
        let credential = ctx.data::<Authentication>()?.credential();
        Ok(Some(AppConfig {
            auth_config: AuthConfig {
                token_auth_enabled: *credential != Credential::Disabled,
                access_tokens: AccessTokensConfig {
                    allowed_durations: lifetimes.allowed().iter().copied().map(iso).collect(),
                    allow_no_expiry: lifetimes.allows_no_expiry(),
                },
            },
            telemetry_config: TelemetryConfig { enable_third_party_logging: Some(false) },
        }))
    }
}

/// What user interfaces have to know of this service.
#[derive(SimpleObject)]
pub(super) struct AppConfig {
    /// Authentication.
    auth_config: AuthConfig,
    /// Telemetry.
    telemetry_config: TelemetryConfig,
}

/// How requests are authenticated.
#[derive(SimpleObject)]
pub(super) struct AuthConfig {
    /// Whether requests need a token.
    token_auth_enabled: bool,
    /// Which access tokens can be made.
    access_tokens: AccessTokensConfig,
}

/// Which access tokens can be made.
#[derive(SimpleObject)]
pub(super) struct AccessTokensConfig {
    /// How long they may be good, as durations of ISO 8601, each of which `durationIso` takes.
    allowed_durations: Vec<String>,
    /// Whether they may be good for ever.
    allow_no_expiry: bool,
}

/// What is told to others about how the service is used.
#[derive(SimpleObject)]
pub(super) struct TelemetryConfig {
    /// Whether others are told: never.
    enable_third_party_logging: Option<bool>,
}

/// A duration as `durationIso` takes it.
fn iso(duration: Duration) -> String {
    let (seconds, millis) = (duration.as_secs(), duration.subsec_millis());
    let days = seconds / 86_400;
    let (hours, minutes, seconds) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    let part = |number: u64, unit: char| match number {
        0 => String::new(),
        number => format!("{number}{unit}"),
    };
    let seconds = match millis {
        0 => part(seconds, 'S'),
        millis => format!("{seconds}.{millis:03}S"),
    };
    let time = format!("{}{}{seconds}", part(hours, 'H'), part(minutes, 'M'));
    let separator = if time.is_empty() { "" } else { "T" };
    format!("P{}{separator}{time}", part(days, 'D'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::{Lifetime, LifetimePolicy};

    #[test]
    fn allowed_durations_are_what_can_be_asked_for() {
        let policy = LifetimePolicy::new("PT1H,P1D,P1M,PT1.5S,P1Y2M3DT23H59M58.007S,PT90M,PT24H");
        let durations = policy.unwrap().allowed().to_vec();
        let texts: Vec<_> = durations.iter().copied().map(iso).collect();
        let expected = ["PT1H", "P1D", "P30D", "PT1.500S", "P428DT23H59M58.007S", "PT1H30M", "P1D"];
        assert_eq!(texts, expected);
        for (text, duration) in texts.iter().zip(durations) {
            assert_eq!(text.parse(), Ok(Lifetime::For(duration)));
        }
    }
}
