//! The root user and its token.

use std::{error::Error, io::Write, net::SocketAddr};

use tower_pat::{
    actor::{DirectoryStore, Urn},
    policy::{PolicySource, PolicyStore, default_policies},
    token::{AccessTokenDuration, TokenText, TokenType},
    token_service::{MintRequest, TokenFilter, TokenQuery},
};

use crate::service::MetadataService;

/// Sets up what is missing, and shows a new token of the root user at the first start, or if one is
/// asked for; the latter also takes back that the root user was removed or suspended.
///
/// The policies are written last: as long as there are none, it is the first start, so a start that
/// dies here is followed by a first start.
pub(crate) async fn set_up(
    service: &MetadataService,
    new_token: bool,
    address: SocketAddr,
    out: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    let root = Urn::corpuser("datahub")?;
    let is_first = service.store.policies().await?.is_empty();
    if is_first || new_token {
        let lifetime = AccessTokenDuration::ThreeMonths.lifetime();
        let request = MintRequest::new(TokenType::Personal, root.clone(), lifetime)
            .name("made by gms")
            .created_via("gms");
        let minted = service.tokens.mint(request).await?;
        revive(service, &root).await?;
        show(out, &root, &minted.token, address)?;
    } else {
        let query = TokenQuery::default().filter(TokenFilter::Actor(vec![root.clone()]));
        let tokens = service.tokens.list(&query).await?.total;
        tracing::info!("{root} has {tokens} token(s); --new-token makes and shows another");
    }
    let changed = service.store.seed_policies(&default_policies()).await?;
    tracing::info!("{changed} default policies written");
    Ok(())
}

async fn revive(service: &MetadataService, root: &Urn) -> Result<(), Box<dyn Error>> {
    service.store.create_user(root).await?;
    service.store.set_removed(root, false).await?;
    service.store.set_suspended(root, false).await?;
    Ok(())
}

fn show(
    out: &mut impl Write,
    root: &Urn,
    token: &TokenText,
    address: SocketAddr,
) -> std::io::Result<()> {
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
    out.flush()
}
