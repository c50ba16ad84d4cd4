"""How jobs outlive their workers, on a double of Ray; `test_on_ray` has real clusters."""

import threading
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spelke.errors import InvalidInput, Unavailable
from spelke.runtime import ray_pool
from spelke.runtime.pools import Lost
from spelke.runtime.ray_pool import MAX_LOST, RayOptions, RayPool


class ActorError(Exception):
    pass


class TaskError(Exception):
    def __init__(self, cause):
        super().__init__(str(cause))
        self.cause = cause


class Dies(BaseException):
    """What a job raises to take its worker down."""


class FakeRay:
    """Actors that run when their result is asked for."""

    exceptions = SimpleNamespace(RayActorError=ActorError, RayTaskError=TaskError)

    def __init__(self, room=99):
        self.room, self.alive, self.started = room, [], 0

    def is_initialized(self):
        return True

    def cluster_resources(self):
        return {"CPU": 0.0}

    def remote(self, **asked):
        self.asked = asked
        return lambda kind: SimpleNamespace(remote=lambda *a: self._start(kind(*a)))

    def _start(self, thing):
        actor = SimpleNamespace(is_dead=False)
        self.started += 1
        actor.has_room = self.started <= self.room

        def method(name):
            def call(*arguments):
                def run():
                    if actor.is_dead:
                        raise ActorError("the actor is dead")
                    try:
                        return getattr(thing, name)(*arguments)
                    except Dies as death:
                        actor.is_dead = True
                        raise ActorError(f"its node\n died: {death}") from death
                    except Exception as error:
                        raise TaskError(error) from error

                return SimpleNamespace(run=run, actor=actor)

            return SimpleNamespace(remote=call)

        actor.greet, actor.answer = method("greet"), method("answer")
        self.alive.append(actor)
        return Hashable(actor)

    def wait(self, futures, num_returns, timeout):
        ready = [future for future in futures if future.actor.has_room]
        return ready[:1], None

    def get(self, future):
        return future.run()

    def kill(self, actor):
        self.alive.remove(actor.actor)


class Hashable:
    """An actor as a handle."""

    def __init__(self, actor):
        self.actor = actor

    @property
    def answer(self):
        return SimpleNamespace(remote=lambda job: Future(self.actor.answer.remote(job)))

    @property
    def greet(self):
        return SimpleNamespace(remote=lambda: Future(self.actor.greet.remote()))


class Future:
    def __init__(self, inner):
        self.run, self.actor = inner.run, inner.actor


def pool(monkeypatch, make, fake=None, **options):
    fake = fake or FakeRay()
    monkeypatch.setattr(ray_pool, "_import_ray", lambda: fake)
    told = []
    made = RayPool(make, RayOptions(**options), told.append)
    return made, fake, told


@given(
    deaths=st.lists(st.integers(0, 4), max_size=12),
    workers=st.integers(1, 4),
    retries=st.integers(0, 3),
)
def test_every_job_comes_back_once_and_only_those_that_kill_too_often_are_lost(
    deaths, workers, retries
):
    left = list(deaths)

    def make():
        def answer(job):
            if left[job]:
                left[job] -= 1
                raise Dies(f"job {job}")
            return job * 10

        return answer, "hello"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ray_pool, "MAX_LOST", 1000)
        made, fake, _ = pool(patch, make, workers=workers, retries=retries)
        with made:
            assert made.greeting() == "hello"
            results = list(made.map(range(len(deaths))))
            again = list(made.map([]))
    assert again == []
    assert sorted(job for job, _ in results) == list(range(len(deaths)))
    for job, result in results:
        if deaths[job] > retries:
            assert result == Lost(f"the process died: its node died: job {job}")
        else:
            assert result == job * 10
    assert all(actor.is_dead for actor in fake.alive)  # the others were ended


def test_jobs_are_read_only_as_they_are_needed(monkeypatch):
    read = []

    def jobs():
        for job in range(10):
            read.append(job)
            yield job

    made, _, _ = pool(monkeypatch, lambda: (lambda job: job, None), workers=2)
    with made:
        results = made.map(jobs())
        next(results)
        assert len(read) <= 3


def test_work_is_done_by_those_who_have_room(monkeypatch):
    made, fake, _ = pool(monkeypatch, lambda: (lambda job: -job, None), FakeRay(room=1), workers=4)
    with made:
        assert sorted(made.map([1, 2, 3])) == [(1, -1), (2, -2), (3, -3)]
    assert fake.asked["max_restarts"] == 0


def test_a_cluster_without_room_is_told(monkeypatch):
    fake = FakeRay(room=0)
    made, _, told = pool(monkeypatch, lambda: (print, None), fake, gpus=1.0)

    def wait(futures, num_returns, timeout):
        if told:
            raise KeyboardInterrupt
        return [], futures

    fake.wait = wait
    with made, pytest.raises(KeyboardInterrupt):
        made.greeting()
    assert "each asks for 1 CPUs and 1 GPUs, the cluster has 0 and 0" in told[0]


def test_a_worker_that_is_spent_is_replaced(monkeypatch):
    class Spent:
        is_spent = False

        def __call__(self, job):
            self.is_spent = job == 2
            return -job

    made, fake, _ = pool(monkeypatch, lambda: (Spent(), None), retries=0)
    with made:
        assert sorted(made.map([1, 2, 3])) == [(1, -1), (2, -2), (3, -3)]
    assert fake.started == 2


def test_what_ray_prints_stays_off_standard_output(monkeypatch, capsys):
    fake = FakeRay()
    fake.connected = []

    def init(address, **options):
        thread = threading.Thread(target=print, args=("a node was lost",))
        thread.start()
        thread.join()
        fake.connected.append(address)

    fake.is_initialized, fake.init = lambda: bool(fake.connected), init
    fake.shutdown = lambda: print("what was left to say")
    made, _, _ = pool(monkeypatch, lambda: (lambda job: job, None), fake, address="local")
    with made:
        for job, _ in made.map([1]):
            print("result", job)
    print("after")
    told = capsys.readouterr()
    assert told.out == "result 1\nafter\n"
    assert told.err == "a node was lost\nwhat was left to say\n"
    assert fake.connected == ["local"]


def test_what_make_raises_is_raised_here_and_endless_deaths_end(monkeypatch):
    def refuse():
        raise InvalidInput("no such model")

    made, _, _ = pool(monkeypatch, refuse)
    with made, pytest.raises(InvalidInput, match="no such model"):
        made.greeting()

    def foreign():
        raise KeyError("x")

    made, _, _ = pool(monkeypatch, foreign)
    with made, pytest.raises(Unavailable, match="a worker on the cluster failed"):
        made.greeting()

    def die():
        raise Dies("out of memory")

    made, _, _ = pool(monkeypatch, die)
    with made, pytest.raises(Unavailable, match=f"{MAX_LOST} workers in a row died"):
        made.greeting()
