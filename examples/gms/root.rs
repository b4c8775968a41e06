//! The root user, its token and its password, and the passwords of others.

use std::{error::Error, io::Write, net::SocketAddr};

use tower_pat::{
    actor::Urn,
    policy::{PolicySource, default_policies},
    random::OsRandom,
    session::{Password, Sessions},
    token::{AccessTokenDuration, TokenText, TokenType},
    token_service::{MintRequest, TokenFilter, TokenQuery},
};

use crate::service::MetadataService;

/// What is asked for.
#[derive(Debug)]
pub(crate) struct SetUp<'a> {
    pub(crate) urls: &'a Urls,
    /// A token of the root user, also if this is not the first start.
    pub(crate) new_token: bool,
    /// Passwords of these users.
    pub(crate) new_passwords: &'a [String],
}

/// Where all this is found.
#[derive(Debug)]
pub(crate) struct Urls {
    pub(crate) gms: SocketAddr,
    /// `None` if there is no front door.
    pub(crate) front: Option<String>,
}

/// Sets up what is missing, and shows a new token and a new password of the root user at the first
/// start, or what is asked for; a new token also takes back that the root user was removed or
/// suspended.
///
/// The policies are written first: of several nodes that start at once on an empty database, the one
/// whose policies are written is the first, and no other shows anything. Should that one die before it
/// has shown them, `--new-token` and `--new-password` make others.
pub(crate) async fn set_up(
    service: &MetadataService,
    sessions: &Sessions,
    asked: &SetUp<'_>,
    out: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    let root = Urn::corpuser(ROOT)?;
    let is_empty = service.store.policies().await?.is_empty();
    let changed = service.store.seed_policies(&default_policies()).await?;
    tracing::info!("{changed} default policies written");
    let is_first = is_empty && changed > 0;
    if is_first || asked.new_token {
        let lifetime = AccessTokenDuration::ThreeMonths.lifetime();
        let request = MintRequest::new(TokenType::Personal, root.clone(), lifetime)
            .name("made by gms")
            .created_via("gms");
        let minted = service.tokens.mint(request).await?;
        revive(service, &root).await?;
        show_token(out, &root, &minted.token, asked.urls)?;
    } else {
        let query = TokenQuery::default().filter(TokenFilter::Actor(vec![root.clone()]));
        let tokens = service.tokens.list(&query).await?.total;
        tracing::info!(
            "{root} has {tokens} token(s); --new-token makes and shows another, --new-password \
             {ROOT} a password"
        );
    }
    if is_first && !asked.new_passwords.iter().any(|user| user == ROOT) {
        let password = new_password(sessions, &root, &root).await?;
        show_password(out, &password, asked.urls)?;
    }
    for user in asked.new_passwords {
        let password = new_password(sessions, &Urn::corpuser(user)?, &root).await?;
        writeln!(out, "password of {user}: {}", password.expose())?;
    }
    Ok(())
}

async fn revive(service: &MetadataService, root: &Urn) -> Result<(), Box<dyn Error>> {
    service.store.create_user(root).await?;
    service.store.set_removed(root, false).await?;
    service.store.set_suspended(root, false).await?;
    Ok(())
}

async fn new_password(
    sessions: &Sessions,
    user: &Urn,
    by: &Urn,
) -> Result<Password, Box<dyn Error>> {
    let password = Password::random(&OsRandom)?;
    sessions.set_password(user, &password, by).await?;
    Ok(password)
}

fn show_token(
    out: &mut impl Write,
    root: &Urn,
    token: &TokenText,
    urls: &Urls,
) -> std::io::Result<()> {
    let address = urls.gms;
    write!(
        out,
        r#"A personal access token of {root}, good for 90 days. It is not shown again:

token: {token}

Try it, with TOKEN set to what stands behind "token: ":

curl http://{address}/entities/{root} -H "Authorization: Bearer $TOKEN"
curl http://{address}/entities/{root}
curl http://{address}/openapi/v3/entity/tag -H "Authorization: Bearer $TOKEN" \
  -H "Content-Type: application/json" -d '[{{"urn": "urn:li:tag:gold", "tagProperties": {{"value": {{"name": "gold"}}}}}}]'
curl http://{address}/openapi/v3/entity/tag/urn:li:tag:gold -H "Authorization: Bearer $TOKEN"
curl http://{address}/api/graphql -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \
  -d '{{"query": "mutation {{ createAccessToken(input: {{type: PERSONAL, actorUrn: \"{root}\", duration: ONE_DAY, name: \"mine\"}}) {{ accessToken metadata {{ id }} }} }}"}}'
curl http://{address}/pat/tokens -H "Authorization: Bearer $TOKEN"

"#,
        token = token.expose(),
    )?;
    if let Some(front) = &urls.front {
        writeln!(
            out,
            "curl {front}/api/gms/entities/{root} -H \"Authorization: Bearer $TOKEN\"\n"
        )?;
    }
    out.flush()
}

fn show_password(out: &mut impl Write, password: &Password, urls: &Urls) -> std::io::Result<()> {
    let page = urls.front.as_ref().map(|front| format!(" at {front}")).unwrap_or_default();
    writeln!(
        out,
        "To log in{page}, the user name is {ROOT}. This is not shown again either:\n\n\
         password: {}\n",
        password.expose()
    )?;
    out.flush()
}

/// The root user's id.
const ROOT: &str = "datahub";
