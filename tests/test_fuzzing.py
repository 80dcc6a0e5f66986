"""Random programs keep the rules of the core at every step, and run alike everywhere."""

import pytest

from . import fuzzing

# Changes with every change of the order in which things run, which is part of the contract, and
# of the programs: ``python tests/fuzzing.py --digest`` prints it.
DIGEST = "39fef62fbf4a953e74a3f7556017ce63fc0a91cca521e4020eacf08ba06ea9e0"


@pytest.mark.parametrize("first", range(0, 600, 100))
def test_random_programs_keep_the_rules_at_every_step(first):
    for seed in range(first, first + 100):
        program = fuzzing.make_program(seed)
        _, wrong = fuzzing.run(program)
        if wrong:
            pytest.fail(fuzzing.report(seed, program, wrong))


def test_the_same_seeds_have_the_same_schedules_on_every_run_and_every_python():
    assert fuzzing.digest() == DIGEST


def test_a_seed_makes_the_same_program_every_time():
    for seed in range(20):
        one, other = fuzzing.make_program(seed), fuzzing.make_program(seed)
        assert one is not other
        assert fuzzing.as_text(one) == fuzzing.as_text(other)


def test_a_broken_rule_is_reported_with_a_smaller_program(monkeypatch, capsys):
    def look_at_the_end(world):
        world.check("flush" not in " ".join(world.events), "nothing is ever flushed")

    monkeypatch.setattr(fuzzing.World, "look_at_the_end", look_at_the_end)
    assert fuzzing.main(["--programs", "50"]) == 1
    text = capsys.readouterr().out
    assert " breaks a rule: ('nothing is ever flushed'" in text
    assert "def main(me):" in text
    assert "\n# flush " in text


def test_a_program_that_does_not_come_to_an_end_breaks_a_rule(monkeypatch):
    monkeypatch.setattr(fuzzing, "STEPS", 10)
    wrong = [fuzzing.run(fuzzing.make_program(seed))[1] for seed in range(20)]
    assert ("every program ends",) in [rules[0] for rules in wrong if rules]


def test_a_schedule_that_runs_a_task_for_nobody_breaks_a_rule(monkeypatch):
    # The scheduler starts a task that nobody has asked for.
    suspend = fuzzing.AsyncTask._suspend

    def suspend_and_start_a_stranger(task, yielded):
        for future in task.args[0].world.living() if task.args else ():
            if isinstance(future, fuzzing.AsyncTask) and future._pending == fuzzing.FRESH:
                future._set_going(task)
        return suspend(task, yielded)

    monkeypatch.setattr(fuzzing.AsyncTask, "_suspend", suspend_and_start_a_stranger)
    wrong = [fuzzing.run(fuzzing.make_program(seed))[1] for seed in range(20)]
    assert "a task runs for somebody" in [rule[0] for rules in wrong for rule in rules]
