//! Integration tests: real processes, real disks. One binary, filed by the question answered.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, missing_docs)]

mod common;

mod audit;
mod authorization;
mod canary;
mod contract;
mod crash;
mod dashboard;
mod dedup;
mod dedup_failover;
mod dedup_redis;
mod dedup_window;
mod demo;
mod disk_faults;
mod dry_run;
mod fairness;
mod fuzz;
mod health;
mod identity;
mod journal;
mod management;
mod metrics;
mod nodes;
mod outages;
mod postgres;
mod store;
mod supervision;
mod tls;
mod trial;
