//! HTTP over real connections: the shape of each answer, who may ask for what, and the bounds. The log and the stores are in memory.

#![cfg(test)]

mod bounds;
mod guards;
mod health;
mod letters;
mod openapi;
mod page;
mod shapes;
mod site;
mod state;

#[path = "../support/wait.rs"]
mod wait;
