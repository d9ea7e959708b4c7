//! Integration tests: real processes, real disks. One binary, filed by the question answered.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, missing_docs)]

mod common;

mod apply;
mod audit;
mod authorization;
mod bench;
mod canary;
mod configuration;
mod contract;
mod crash;
mod credentials;
mod dashboard;
mod dedup;
mod dedup_failover;
mod dedup_redis;
mod dedup_window;
mod demo;
mod disk_faults;
mod docs;
mod dry_run;
mod export;
mod fairness;
mod fixtures;
mod generations;
mod fuzz;
mod health;
mod identity;
mod journal;
mod limits;
mod logging;
mod management;
mod metrics;
mod names;
mod nodes;
mod openapi;
mod outages;
mod pooler;
mod postgres;
mod receipts;
mod received;
mod replay;
mod retention;
mod search;
mod server_tls;
mod shutdown;
mod slow_bodies;
mod snippets;
mod store;
mod supervision;
mod tls;
mod traces;
mod trial;
