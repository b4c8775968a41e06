//! What one request costs in time: `cargo bench --bench request`. Read ratios, not single figures.
#![allow(missing_docs, unreachable_pub, clippy::expect_used)]

#[allow(dead_code, reason = "each bench uses its part")]
mod common;

use std::hint::black_box;

use common::{Deployment, bare, inserting, privileges, privileges_of_platform, request, send};
use criterion::{Criterion, criterion_group, criterion_main};
#[cfg(feature = "aws-lc-rs")]
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
#[cfg(not(feature = "aws-lc-rs"))]
use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER;
use jsonwebtoken::{Algorithm, DecodingKey};
use tower::Layer;
use tower_pat::{Privilege, actor::Urn, policy::Resource};

fn requests(criterion: &mut Criterion) {
    let mut deployment = Deployment::new().expect("a deployment");
    let Deployment { good, bad_signature, .. } = &deployment;
    let (good, bad_signature) = (good.clone(), bad_signature.clone());
    let mut group = criterion.benchmark_group("request");

    let mut service = bare();
    group.bench_function("floor", |b| b.iter(|| send(&mut service, request(&good))));
    let mut service = inserting();
    group.bench_function("floor_inserting", |b| b.iter(|| send(&mut service, request(&good))));

    assert_eq!(send(&mut deployment.warm, request(&good)), 200);
    let malformed = good.replace('.', "_");
    let mut excluding = deployment.layer.clone().exclude(["/"]).layer(bare());
    assert_eq!(send(&mut excluding, request(&bad_signature)), 200);
    let mut optional = deployment.layer.clone().optional().layer(bare());
    assert_eq!(send(&mut optional, request("")), 200);
    let warm = &mut deployment.warm;
    group.bench_function("warm", |b| b.iter(|| send(warm, request(black_box(&good)))));
    group.bench_function("no_header", |b| b.iter(|| send(warm, request(""))));
    group.bench_function("malformed", |b| b.iter(|| send(warm, request(&malformed))));
    group.bench_function("bad_signature", |b| b.iter(|| send(warm, request(&bad_signature))));
    group.bench_function("excluded_path", |b| {
        b.iter(|| send(&mut excluding, request(&bad_signature)));
    });
    group.bench_function("no_header_optional", |b| b.iter(|| send(&mut optional, request(""))));
    let cold = &mut deployment.cold;
    assert_eq!(send(cold, request(&good)), 200);
    group.bench_function("cold", |b| b.iter(|| send(cold, request(black_box(&good)))));
    group.finish();

    let key = DecodingKey::from_secret(common::KEY.as_bytes());
    let (input, _) = good.rsplit_once('.').expect("a token");
    criterion.bench_function("mac", |b| {
        b.iter(|| {
            let verifier = (DEFAULT_PROVIDER.verifier_factory)(&Algorithm::HS256, &key);
            verifier.expect("a verifier").verify(black_box(input.as_bytes()), &vec![0; 32]).is_ok()
        });
    });
}

fn decisions(criterion: &mut Criterion) {
    let resource = Resource::new(&"urn:li:dataset:d7".parse::<Urn>().expect("a urn"));
    let platform = privileges_of_platform().expect("policies");
    let generate = Privilege::GENERATE_PERSONAL_ACCESS_TOKENS;
    assert!(platform.holds(&generate));
    criterion.bench_function("holds", |b| b.iter(|| platform.holds(black_box(&generate))));
    let mut group = criterion.benchmark_group("decide");
    for count in [10, 1_000, 10_000] {
        let privileges = privileges(count).expect("policies");
        group.bench_function(format!("{count}_policies"), |b| {
            b.iter(|| privileges.decide_privilege(&Privilege::EDIT_ENTITY, Some(&resource)));
        });
    }
    group.finish();
}

criterion_group!(benches, requests, decisions);
criterion_main!(benches);
