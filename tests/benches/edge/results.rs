//! What was measured, as JSON: samples, not summaries.

use std::time::{SystemTime, UNIX_EPOCH};

use glimpse_tests::workspace;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Failure;
use super::shared::Server;

/// Where `make performance-docs` looks.
const FILE: &str = "target/peers/edge.json";

/// Turns of each server and rates of the bare session, by clients; one a round.
pub fn write(servers: &[Server], clients: &[usize], bare: &[Vec<f64>]) -> Result<(), Failure> {
    let mut found = Map::new();
    for server in servers {
        found.insert(server.name.to_owned(), by_clients(clients, &server.turns)?);
    }
    let explained = servers.iter().filter(|server| !server.explained.is_empty());
    let explained: Map<String, Value> = explained
        .map(|server| Ok((server.name.to_owned(), serde_json::to_value(&server.explained)?)))
        .collect::<Result<_, Failure>>()?;
    let measured = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let results = json!({
        "measured": measured,
        // What the other build is: its commit, for who reads the figures.
        "baseline": std::env::var("GLIMPSE_BENCH_BASELINE_IS").ok(),
        "servers": found,
        "explained": explained,
        "bare": by_clients(clients, bare)?,
    });
    let file = workspace::root().join(FILE);
    file.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    std::fs::write(&file, serde_json::to_string_pretty(&results)?)?;
    println!("\nsamples are in {}", file.display());
    Ok(())
}

fn by_clients<T: Serialize>(clients: &[usize], rounds: &[Vec<T>]) -> Result<Value, Failure> {
    let each = clients.iter().zip(rounds);
    let each = each.map(|(count, samples)| Ok((count.to_string(), serde_json::to_value(samples)?)));
    Ok(Value::Object(each.collect::<Result<_, Failure>>()?))
}
