//! The page on which people make and revoke their access tokens (DataHub: Settings › Access Tokens).
//!
//! [`SettingsService`] serves one HTML document, one style sheet, one script and an icon, all of them in
//! the binary. The page is a client of the [GraphQL API](crate#features) (feature `graphql`) and of nothing
//! else, but for log-in and log-out where the service has these: what it shows and does is what the API
//! lets the person who is logged in see and do. Nothing of anybody is in what is served here, so it needs
//! no authentication, and no [`AuthenticateLayer`](crate::AuthenticateLayer) in front.
//!
//! 1. At `/` of where the service is mounted is the page, and below it `settings.css`, `settings.js` and
//!    `icon.svg`. GET and HEAD; everything else is refused with 404 or 405, as a problem document.
//! 2. The page asks `POST` [`graphql_path`](SettingsService::graphql_path) who is logged in, by whatever the
//!    browser sends along: a session in a cookie, for instance. A 401, or a way to another page, means nobody.
//! 3. Then it shows how to log in, as [`LogIn`] says: by a form of its own, or elsewhere.
//!
//! The page works under the strict `Content-Security-Policy` that comes with it: no script, style or request
//! but from its own origin, no inline script, and no frame around it.
//!
//! ```
//! use axum::Router;
//! use tower_pat::settings::{LogIn, SettingsService};
//!
//! let page = SettingsService::new()
//!     .public_path("/settings/tokens")
//!     .log_in(LogIn::form("/logIn", "/logOut"))
//!     .metadata_service("http://localhost:9002/api/gms");
//! let app: Router = Router::new().nest_service("/settings/tokens", page);
//! # let _ = app;
//! ```
//!
//! # In deployment
//!
//! The GraphQL API has to be on the page's own origin, and cookies that authenticate must not be taken for
//! writes from elsewhere. Behind a proxy that takes a prefix off the paths,
//! [`public_path`](SettingsService::public_path) and [`graphql_path`](SettingsService::graphql_path) are what
//! the browser sees. Copying to the clipboard needs `https`, or `localhost`.

mod asset;
mod page;
mod service;

pub use self::{page::LogIn, service::SettingsService};
