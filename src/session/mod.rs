//! Log-in with user name and password, and sessions in a cookie, for the people who manage tokens in a
//! browser.
//!
//! How it goes:
//!
//! 1. [`LogInService`] takes user name and password, and [`Sessions`] compares the password with its
//!    argon2id hash. Whatever is wrong, the answer is the same, after the same time; who is wrong too
//!    often has to wait ([`Sessions::log_in`]).
//! 2. A session is a stored token of type SESSION. It is in no list, it cannot be used as a Bearer
//!    token unless [`accept_sessions`](crate::config::ConfigBuilder::accept_sessions) is on, and it
//!    ends like any other token: everywhere, within the revocation bound.
//! 3. The browser has it in a cookie that no script reads and no other site sends along (`HttpOnly`,
//!    `SameSite=Strict`). With an `https` [`PublicUrl`] the cookie is `Secure` and called
//!    `__Host-tower_pat_session`; without, on this machine alone, it is `tower_pat_session`.
//! 4. [`SessionAuthenticator`] takes it from there and hands it to the
//!    [`Authenticator`](crate::Authenticator), which judges it like a token. What may change something
//!    must come from a page of the very same origin.
//! 5. [`LogOutService`] ends it. Setting somebody's password ends all of their sessions.
//!
//! ```
//! use std::{net::{IpAddr, Ipv4Addr}, sync::Arc};
//!
//! use axum::Router;
//! use tower_pat::{
//!     AuthenticateLayer, Authenticator, Config,
//!     actor::{DirectoryStore, Urn},
//!     random::{OsRandom, secret},
//!     session::{LogInService, LogOutService, Password, PublicUrl, Sessions},
//!     store::MemoryStore,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let config = Config::builder(secret(&OsRandom)?, secret(&OsRandom)?).build()?;
//! let store = MemoryStore::default();
//! let public_url = PublicUrl::try_from("http://localhost:9002")?;
//! let sessions = Sessions::new(&config, Arc::new(store.clone()), public_url);
//!
//! // Nobody has a password until one is set.
//! let alice = Urn::corpuser("alice")?;
//! store.create_user(&alice).await?;
//! let password = Password::random(&OsRandom)?;
//! sessions.set_password(&alice, &password, &alice).await?;
//!
//! let authenticator = Authenticator::builder(config, store)
//!     .chain_before(Arc::new(sessions.authenticator()))
//!     .build()
//!     .await?;
//! // The server also has to put a `ClientAddress` into the extensions of each request.
//! let app: Router = Router::new()
//!     .route_service("/logIn", LogInService::new(sessions.clone()))
//!     .route_service("/logOut", LogOutService::new(sessions.clone()))
//!     .layer(AuthenticateLayer::new(authenticator).exclude(["/logIn", "/logOut"]));
//! # let _ = app;
//!
//! let session = sessions.log_in("alice", &password, IpAddr::V4(Ipv4Addr::LOCALHOST)).await?;
//! assert_eq!(session.user, alice);
//! # Ok(())
//! # }
//! ```
//!
//! # In deployment
//!
//! * The public URL is what people have in their address bar. With another one, cookies are not sent
//!   back, or writes are refused as from another origin.
//! * [`ClientAddress`](crate::authenticate::ClientAddress) is what attempts are limited by. Behind a
//!   proxy it is the proxy's unless the server takes the client's from a header; it must do so only if
//!   nobody but the proxy reaches it. With the proxy's own, the limits of an address are those of all
//!   people together: a hundred failures of anybody make everybody wait.
//! * Answers to a session are for one person. Shared caches keep no answer to a request with an
//!   `Authorization` header (RFC 9111 section 3.5), and know nothing of a session in a cookie. The
//!   services of this crate say `no-store`; handlers of your own have to say `Cache-Control: private`
//!   or `no-store`, at least where a cache is in front.
//! * A session that is over stays in the store until it is
//!   [swept](crate::token_service::TokenStore::sweep): do that now and then, such as every hour.
//! * Limits and the memory of them are those of a process. With several, there are several times as
//!   many attempts.
//! * Ports are not kept apart by cookies: two services on ports of one host have one cookie of this
//!   name, and each can read the other's. Give them hosts of their own.
//! * A password is hashed with 19 MiB, in up to four threads at once.

mod attempts;
mod authenticator;
mod cookie;
mod error;
mod hasher;
mod log_in;
mod log_out;
mod origin;
mod password;
mod public_url;
mod sessions;

pub use self::{
    authenticator::SessionAuthenticator,
    error::{LogInError, PasswordHashError, SetPasswordError},
    log_in::LogInService,
    log_out::LogOutService,
    password::{Password, PasswordError},
    public_url::{PublicUrl, PublicUrlError},
    sessions::{Session, Sessions},
};
