# SPDX-License-Identifier: Apache-2.0
"""The plug-in of pytest, from outside: in a process of its own, in a directory that knows nothing of this project."""

import pytest

pytest_plugins = ["pytester"]


@pytest.fixture
def outside(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A directory of somebody else's, with warnings and markers held strictly."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makepyprojecttoml(
        '[tool.pytest.ini_options]\naddopts = ["--strict-markers", "-p", "no:cacheprovider"]\n'
        'filterwarnings = ["error"]\n'
    )
    return pytester


def run(outside: pytest.Pytester, text: str, *options: str) -> pytest.RunResult:
    outside.makepyfile(test_mine=text)
    return outside.runpytest_subprocess("-v", *options)


def test_a_machine_without_a_marker(outside: pytest.Pytester) -> None:
    result = run(
        outside,
        """
        def test_it(livefw_machine):
            assert livefw_machine.write("rmm", "activate") == "ok"
            assert livefw_machine.running("rmm") == "1.1"
        """,
    )
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["test_mine.py::test_it PASSED*"])


def test_a_test_runs_with_each_driver_and_agent_that_is_named(outside: pytest.Pytester) -> None:
    result = run(
        outside,
        """
        import pytest
        pytestmark = pytest.mark.livefw(platform="grid", cpus=2)

        @pytest.mark.livefw(driver=["v2", "nv3"], agent=["bet1", "tfa-2026"])
        def test_it(livefw_machine):
            config = livefw_machine.model.config
            assert (config.name, config.cpus) == ("grid", 2)

        @pytest.mark.livefw(agent=["bet1", "tfa-2.14"])
        def test_agent(livefw_agent, livefw_machine):
            assert livefw_agent.agent.profile.name == livefw_machine.model.config.agent

        def test_plain():
            pass
        """,
    )
    result.assert_outcomes(passed=7)
    result.stdout.fnmatch_lines(["*::test_it?v2-bet1? PASSED*", "*::test_it?nv3-tfa-2026? PASSED*"])
    result.stdout.fnmatch_lines(["*::test_agent?tfa-2.14? PASSED*", "*::test_plain PASSED*"])


def test_a_machine_that_fails(outside: pytest.Pytester) -> None:
    result = run(
        outside,
        """
        import pytest

        @pytest.mark.livefw(driver="v3", faults=["auth-error:rmm", {"name": "busy", "times": 2}])
        class TestIt:
            def test_it(self, livefw_machine):
                assert livefw_machine.write("rmm", "activate") == "ECANCELED"

            @pytest.mark.livefw(faults=[])
            def test_nearest(self, livefw_machine):
                assert livefw_machine.write("rmm", "activate") == "ok"
        """,
    )
    result.assert_outcomes(passed=2)


@pytest.mark.fuse
def test_a_machine_is_mounted_and_nothing_is_left_of_it_when_the_test_fails(
    outside: pytest.Pytester, mountable: None
) -> None:
    result = run(
        outside,
        """
        import pytest

        @pytest.mark.livefw(mount=True)
        def test_it(livefw_machine):
            print("root", livefw_machine.root)
            assert livefw_machine.livefw("list").returncode == 1
        """,
    )
    result.assert_outcomes(failed=1)
    (root,) = (line.split()[1] for line in result.outlines if line.startswith("root "))
    with open("/proc/self/mountinfo", encoding="utf-8") as table:
        assert root not in table.read()


def test_a_bmc(outside: pytest.Pytester) -> None:
    result = run(
        outside,
        """
        import pytest

        @pytest.mark.livefw(bmc_pattern="stage", bmc_faults=["busy"])
        def test_it(livefw_bmc):
            assert livefw_bmc.url.startswith("https://127.0.0.1:")
            assert (livefw_bmc.model.faults, livefw_bmc.model.pattern) == ({"busy"}, "stage")
        """,
    )
    result.assert_outcomes(passed=1)


WRONG = {
    "(drivers='v3')": "there is no drivers; one of platform, driver, agent",
    "('v3')": "takes keywords only",
    "(driver='v9')": "driver: there is no 'v9'; one of v1, v2, v3, nv3, lw1",
    "(driver=[])": "one of v1, v2, v3, nv3, lw1",
    "(agent=['bet1', 'x'])": "agent: there is no 'x'; one of tfa-2.14",
    "(platform='x')": "there is no platform 'x'; one of fvp",
    "(platform=[])": "one of fvp",
    "(faults='busy')": "'busy' is not a list",
    "(faults=['x'])": "there is no 'x'; one of auth-error",
    "(faults=[{'nom': 1}])": "a fault has no field nom",
    "(cpus=0)": "cpus: 0 is not a number from 1 to 4096",
    "(mount=1)": "mount: 1 is neither True nor False",
    "(bmc_faults=['x'])": "bmc_faults: there is no 'x'; one of verify-fails",
    "(bmc_pattern=['both'])": "one of stage, start, both, immediate",
}


@pytest.mark.parametrize("mark", WRONG)
def test_a_wrong_name_is_an_error_that_lists_the_right_ones(outside: pytest.Pytester, mark: str) -> None:
    result = run(
        outside,
        f"import pytest\n@pytest.mark.livefw{mark}\ndef test_it(livefw_machine, livefw_bmc): pass",
    )
    result.assert_outcomes(errors=1)
    assert WRONG[mark] in result.stdout.str()


def test_the_marker_is_registered_and_checked_without_a_fixture_too(outside: pytest.Pytester) -> None:
    result = run(outside, "import pytest\n@pytest.mark.livefw(driver='v9')\ndef test_it(): pass")
    result.assert_outcomes(errors=1)
    assert "@pytest.mark.livefw(*, platform" in outside.runpytest_subprocess("--markers").stdout.str()


def test_a_fixture_that_is_asked_for_late(outside: pytest.Pytester) -> None:
    result = run(
        outside,
        """
        import pytest

        @pytest.mark.livefw(driver="v1")
        def test_it(request):
            assert request.getfixturevalue("livefw_machine").model.config.driver == "v1"
        """,
    )
    result.assert_outcomes(passed=1)


def test_others_do_without_it(outside: pytest.Pytester) -> None:
    text = "import sys\ndef test_it(): assert not [each for each in sys.modules if each.startswith('livefw.')]"
    run(outside, text, "-p", "no:livefw").assert_outcomes(passed=1)
    text = "import sys\ndef test_it(): assert 'livefw.machine' not in sys.modules"
    run(outside, text).assert_outcomes(passed=1)
