//! Environments with real processes in them, from a program that forks its spawner first thing.
//!
//! The binary is its own function: started with `role …` it plays what runs in an environment, or
//! an engine that is to be killed.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "this is a test, but none that the usual harness runs"
)]

mod attempts;
mod beside;
mod clones;
mod egress;
mod freezing;
mod harness;
mod isolation;
mod kills;
mod lifecycle;
mod limits;
mod roles;
mod unprivileged;

use std::process::ExitCode;

use harness::{Harness, Test};

const TESTS: &[(&str, Test)] = &[
    ("probing_tells_what_the_spawner_found", |h| {
        Box::pin(lifecycle::probed(h))
    }),
    ("a_program_with_threads_cannot_fork_a_spawner", |h| {
        Box::pin(lifecycle::too_late(h))
    }),
    ("a_command_runs_with_what_it_was_given", |h| {
        Box::pin(lifecycle::command(h))
    }),
    ("exit_codes_and_signals_are_told_apart", |h| {
        Box::pin(lifecycle::exits(h))
    }),
    ("programs_that_cannot_run_are_errors", |h| {
        Box::pin(lifecycle::cannot_run(h))
    }),
    ("an_environment_is_used_again", |h| {
        Box::pin(lifecycle::again(h))
    }),
    ("a_used_environment_is_prepared_again", |h| {
        Box::pin(lifecycle::prepared_again(h))
    }),
    ("a_late_kill_does_not_reach_the_next_process", |h| {
        Box::pin(lifecycle::killed_late(h))
    }),
    ("one_process_at_a_time", |h| {
        Box::pin(lifecycle::one_at_a_time(h))
    }),
    ("processes_beside_one_another_end_by_themselves", |h| {
        Box::pin(beside::ends(h))
    }),
    ("processes_beside_one_another_see_the_same", |h| {
        Box::pin(beside::shares(h))
    }),
    ("a_connection_into_an_environment_is_inside", |h| {
        Box::pin(beside::connects(h))
    }),
    ("the_end_of_a_process_ends_what_it_left", |h| {
        Box::pin(lifecycle::leaves_nothing(h))
    }),
    ("a_process_inherits_nothing_of_the_engine", |h| {
        Box::pin(lifecycle::inherits_nothing(h))
    }),
    ("the_listener_is_the_environments_own", |h| {
        Box::pin(lifecycle::listener(h))
    }),
    ("what_is_destroyed_is_gone", |h| {
        Box::pin(lifecycle::destroyed(h))
    }),
    ("many_requests_at_once_are_all_answered", |h| {
        Box::pin(lifecycle::many_at_once(h))
    }),
    ("two_hundred_cycles_leak_nothing", |h| {
        Box::pin(lifecycle::cycles(h))
    }),
    ("memory_limit_kills_and_says_so", |h| {
        Box::pin(limits::memory(h))
    }),
    ("memory_of_a_child_counts", |h| {
        Box::pin(limits::memory_of_a_child(h))
    }),
    ("process_limit_holds", |h| Box::pin(limits::pids(h))),
    ("cpu_quota_holds", |h| Box::pin(limits::cpu(h))),
    ("cpu_is_in_proportion_to_memory", |h| {
        Box::pin(limits::cpu_by_memory(h))
    }),
    ("memory_limit_without_control_groups", |h| {
        Box::pin(limits::memory_by_rlimit(h))
    }),
    ("memory_limit_by_looking", |h| {
        Box::pin(limits::memory_by_samples(h))
    }),
    ("an_isolated_process_ends_at_its_memory", |h| {
        Box::pin(isolation::memory(h))
    }),
    ("frozen_environments_use_no_cpu", |h| {
        Box::pin(freezing::stands(h))
    }),
    ("a_thaw_overtakes_a_freeze", |h| {
        Box::pin(freezing::overtaken(h))
    }),
    ("a_frozen_environment_can_be_killed", |h| {
        Box::pin(freezing::killed(h))
    }),
    ("freezing_without_control_groups", |h| {
        Box::pin(freezing::by_signals(h))
    }),
    ("nothing_outlives_the_engine", |h| {
        Box::pin(kills::engine(h))
    }),
    ("nothing_outlives_the_spawner", |h| {
        Box::pin(kills::spawner(h))
    }),
    ("nothing_outlives_engine_and_spawner", |h| {
        Box::pin(kills::both(h))
    }),
    ("a_stuck_spawner_does_not_help_them_either", |h| {
        Box::pin(kills::stuck_spawner(h))
    }),
    ("the_next_engine_sweeps_when_all_were_killed", |h| {
        Box::pin(kills::all(h))
    }),
    ("the_guard_is_replaced", |h| Box::pin(kills::guard(h))),
    ("nothing_outlives_the_engine_without_control_groups", |h| {
        Box::pin(kills::bare(h))
    }),
    ("nothing_outlives_an_isolated_engine", |h| {
        Box::pin(kills::isolated(h))
    }),
    ("an_isolated_process_is_awss_user", |h| {
        Box::pin(isolation::identity(h))
    }),
    ("isolated_in_another_root", |h| {
        Box::pin(isolation::another_root(h))
    }),
    ("an_isolated_process_has_awss_limits", |h| {
        Box::pin(isolation::limits(h))
    }),
    ("isolated_exits_are_told_apart", |h| {
        Box::pin(isolation::exits(h))
    }),
    ("isolated_programs_that_cannot_run_are_errors", |h| {
        Box::pin(isolation::cannot_run(h))
    }),
    ("the_end_of_an_isolated_process_ends_what_it_left", |h| {
        Box::pin(isolation::leaves_nothing(h))
    }),
    ("tmp_is_its_own_and_survives_the_process", |h| {
        Box::pin(isolation::scratch_stays(h))
    }),
    ("tmp_ends_at_its_size", |h| {
        Box::pin(isolation::scratch_is_full(h))
    }),
    ("isolated_cycles_leak_nothing", |h| {
        Box::pin(isolation::cycles(h))
    }),
    ("escape_by_reading_the_hosts_secrets", |h| {
        Box::pin(isolation::secrets(h))
    }),
    ("escape_by_seeing_other_processes", |h| {
        Box::pin(isolation::foreign_processes(h))
    }),
    ("escape_by_writing_outside_of_tmp", |h| {
        Box::pin(isolation::writes(h))
    }),
    ("escape_by_signalling_the_engine", |h| {
        Box::pin(isolation::signals(h))
    }),
    ("escape_by_tracing", |h| Box::pin(isolation::tracing(h))),
    ("escape_by_mounting", |h| Box::pin(isolation::mounting(h))),
    ("escape_by_loading_a_module", |h| {
        Box::pin(isolation::modules(h))
    }),
    ("escape_by_becoming_root", |h| Box::pin(isolation::root(h))),
    ("escape_by_devices", |h| Box::pin(isolation::devices(h))),
    ("escape_by_the_network", |h| Box::pin(isolation::network(h))),
    ("no_more_is_reached_than_is_asked_for", |h| {
        Box::pin(egress::narrowed(h))
    }),
    ("names_are_asked_of_the_hosts_servers", |h| {
        Box::pin(egress::names(h))
    }),
    ("escape_by_the_way_out", |h| Box::pin(egress::escapes(h))),
    ("a_hundred_ways_out_leak_nothing", |h| {
        Box::pin(egress::cycles(h))
    }),
    ("the_listeners_inside_are_its_own", |h| {
        Box::pin(isolation::doors(h))
    }),
    ("a_clone_that_kept_its_rights_is_refused", |h| {
        Box::pin(clones::kept_its_rights(h))
    }),
    ("a_template_that_ends_is_not_waited_for", |h| {
        Box::pin(clones::ended(h))
    }),
    ("a_template_that_talks_nonsense_is_refused", |h| {
        Box::pin(clones::talks_nonsense(h))
    }),
    ("what_is_no_template_is_not_cloned", |h| {
        Box::pin(clones::not_one(h))
    }),
    ("a_clone_is_given_its_outputs", |h| {
        Box::pin(clones::honest(h))
    }),
    ("a_clone_that_is_its_own_init_is_refused", |h| {
        Box::pin(clones::is_its_own_init(h))
    }),
    ("a_clone_without_an_init_is_refused", |h| {
        Box::pin(clones::has_no_init(h))
    }),
    ("a_clone_outside_of_its_groups_is_refused", |h| {
        Box::pin(clones::stayed_outside(h))
    }),
    ("a_clone_with_threads_is_refused", |h| {
        Box::pin(clones::has_threads(h))
    }),
    ("a_clone_that_says_garbage_ends_alone", |h| {
        Box::pin(clones::says_garbage(h))
    }),
    ("a_clone_that_hands_over_descriptors_ends_alone", |h| {
        Box::pin(clones::hands_over_descriptors(h))
    }),
    ("a_clone_that_talks_on_ends_alone", |h| {
        Box::pin(clones::talks_on(h))
    }),
    ("a_deaf_template_holds_nobody_up", |h| {
        Box::pin(clones::deaf(h))
    }),
    ("escape_by_namespaces_without_end", |h| {
        Box::pin(clones::bounded(h))
    }),
    ("escape_by_looking_around", |h| {
        Box::pin(isolation::looks_around(h))
    }),
    (
        "what_is_forked_into_a_frozen_environment_holds_nothing",
        |h| Box::pin(freezing::forked_into(h)),
    ),
    ("escape_by_exhausting_processes", |h| {
        Box::pin(isolation::processes(h))
    }),
    ("escape_by_a_fork_bomb", |h| {
        Box::pin(isolation::fork_bomb(h))
    }),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((first, role)) if first == "role" => roles::play(role),
        _ => {
            let well = harness::run(TESTS, &arguments, Harness::fork());
            let listed = arguments.iter().any(|word| word == "--list");
            if well & (listed || unprivileged::run_again(&arguments)) {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
    }
}
