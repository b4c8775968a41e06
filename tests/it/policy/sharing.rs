//! What an actor's tokens have in common is kept once.

use std::sync::Arc;

use tower_pat::{
    Authentication,
    actor::{Actor, DirectoryStore},
};

use crate::support::{World, user, with_token};

async fn authenticate(world: &World, token: &str) -> Authentication {
    world.authenticator.authenticate(&with_token(token).into_parts().0).await.unwrap()
}

#[tokio::test]
async fn tokens_of_an_actor_share_its_privileges() {
    let world = World::new().await;
    world.store.inner.create_user(&user("bob")).await.unwrap();
    let mut actors: Vec<Arc<Actor>> = Vec::new();
    for id in ["alice", "alice", "bob"] {
        let minted = world.mint_for(id).await;
        let authentication = authenticate(&world, minted.token.expose()).await;
        actors.push(Arc::clone(authentication.privileges().actor()));
    }
    // The actor is in what is shared. Its tokens are remembered, so that it is not let go of.
    assert!(Arc::ptr_eq(&actors[0], &actors[1]));
    assert_eq!(actors[2].urn(), &user("bob"));
}
