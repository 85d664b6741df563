//! Compiling a document: `cargo bench --bench compile`. With `ENDPOINTS_CORPUS`, the median and the
//! largest valid document of its manifest; without, documents of our own of the same sizes.
#![allow(clippy::print_stdout, missing_docs)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::PathBuf;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use endpoints::api::EndpointsServiceSpec;
use endpoints::api::endpoints_service::OpenApiSource;
use endpoints::policy::{ServiceIdentity, compile};

/// Sizes of the corpus' median and largest valid documents, in bytes.
const MEDIAN: usize = 2_400;
const LARGEST: usize = 211_000;

criterion_group!(benches, documents);
criterion_main!(benches);

fn documents(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("compile");
    let [median, largest] = corpus().unwrap_or_else(|| [generated(MEDIAN), generated(LARGEST)]);
    let most = generated(endpoints::api::endpoints_service::MAX_DOCUMENT_BYTES - 1_000);
    for (name, text) in [("median", median), ("largest", largest), ("1 MiB", most)] {
        let spec = spec(text);
        let bytes = spec.openapi.inline.as_ref().map_or(0, String::len);
        let outcome = match compile(&spec, &identity()) {
            Ok(compiled) => format!("{} operations", compiled.policy.operations.len()),
            Err(findings) => format!("refused with {} findings", findings.len()),
        };
        println!("{name}: {bytes} bytes, {outcome}");
        group.throughput(Throughput::Bytes(bytes as u64));
        group.sample_size(20);
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter(|| black_box(compile(black_box(&spec), &identity())));
        });
    }
    group.finish();
}

/// The median and the largest of the documents that the manifest calls valid.
fn corpus() -> Option<[String; 2]> {
    let folder = PathBuf::from(std::env::var_os("ENDPOINTS_CORPUS")?);
    let manifest = std::fs::read(folder.join("manifest.json")).expect("the corpus has a manifest");
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).expect("it is JSON");
    let mut valid: Vec<_> = manifest["documents"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|document| document["validator"] == "valid")
        .filter_map(|document| Some((document["size"].as_u64()?, document["file"].as_str()?)))
        .collect();
    valid.sort_unstable();
    let read = |(_, file): &(u64, &str)| {
        println!("{file}");
        std::fs::read_to_string(folder.join(file)).expect("the manifest names files")
    };
    Some([read(&valid[valid.len() / 2]), read(valid.last()?)])
}

/// A document of about so many bytes, of the density of real ones: mostly descriptions and schemas.
fn generated(bytes: usize) -> String {
    let mut text = String::from(
        "swagger: '2.0'\ninfo: {title: Generated, version: '1'}\nhost: api.example.com\n\
         securityDefinitions:\n  tokens:\n    type: oauth2\n    flow: implicit\n    \
         authorizationUrl: ''\n    x-google-issuer: https://issuer.example.com\n    \
         x-google-jwks_uri: https://issuer.example.com/keys\nsecurity:\n- tokens: []\npaths:\n",
    );
    for number in 0.. {
        if text.len() >= bytes {
            break;
        }
        write!(
            text,
            "  /v1/things{number}/{{thing}}:\n    get:\n      operationId: getThing{number}\n      \
             description: One of many things, described at some length for those who read it.\n      \
             parameters:\n      - {{name: thing, in: path, required: true, type: string}}\n      \
             responses:\n        '200':\n          description: The thing.\n          schema:\n            \
             type: object\n            properties:\n              name: {{type: string}}\n              \
             size: {{type: integer, format: int32}}\n",
        )
        .expect("writing to a String cannot fail");
    }
    text
}

fn spec(text: String) -> EndpointsServiceSpec {
    EndpointsServiceSpec {
        openapi: OpenApiSource {
            inline: Some(text),
            ..OpenApiSource::default()
        },
        service_name: None,
        cors: None,
        jwt: None,
        backend: None,
        routing: None,
        ..EndpointsServiceSpec::default()
    }
}

fn identity() -> ServiceIdentity {
    ServiceIdentity {
        name: String::from("bench"),
        namespace: String::from("bench"),
    }
}
