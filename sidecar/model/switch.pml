/* set_current (../PROTOCOL.md: The executor, last part; The sidecar, REQUEST_RESUME with `expect_current`): the link moves while the
 * agent stands still, and the agent runs on only once its own mount shows the new one. On a network file system that takes a
 * while; until then it would write into the tree that was abandoned.
 *
 * One executor and one sidecar from FROZEN on, where every path of quiesce.pml leads to; writes are not lost here. What is held
 * decides nothing in a switch.
 */
#define FROZEN         2
#define REQUEST_RESUME 3
#define RUNNING        0

byte state = FROZEN;
bool expect_current;        /* REQUEST_RESUME carries it */
bool knows_nonce = true;

bool frozen = true;
bool switched;              /* `current`, as the executor's mount shows it */
bool shown;                 /* and as the agent's does */
bool lapsed;                /* the lease has ended */

bool held;

/* An agent that runs writes through `current`. */
inline let_run() {
  frozen = false;
  printf("the agent runs (current moved %d, shown to it %d, lease ended %d)\n", switched, shown, lapsed);
  assert(!switched || shown || lapsed)
}

active proctype Network() {
end:
  atomic { switched -> shown = true }
}

/* Any step may be the one at which the lease ends. */
active proctype Guardian() {
end:
  atomic {
    !lapsed -> lapsed = true;
    if
    :: frozen -> let_run()
    :: else
    fi
  }
}

active proctype Executor() {
  if
  :: true ->
       switched = true;
  /* What fails before the link moves is given up. */
  :: true -> atomic { state = REQUEST_RESUME; knows_nonce = false }; goto done
  fi;
  atomic { state = REQUEST_RESUME
#ifndef BUG_NO_EXPECT_CURRENT
    ; expect_current = true
#endif
  };
done:
  skip
}

active proctype Sidecar() {
  do
  :: atomic { state == REQUEST_RESUME && !knows_nonce -> let_run() }; goto done
  :: state == REQUEST_RESUME && knows_nonce && !expect_current -> break
#ifdef BUG_LOOKS_THROUGH_ITS_OWN_ROOT
  :: state == REQUEST_RESUME && expect_current && switched -> break
#else
  :: state == REQUEST_RESUME && expect_current && shown -> break
#endif
  :: atomic { lapsed -> let_run() }; goto done
  od;
  atomic { let_run() };
  held = !lapsed;                                 /* asks the guardian */
done:
  state = RUNNING;                                /* its answer */
  assert(!frozen);
  assert(!held || !switched || shown)
}

#ifdef LIVENESS
ltl thawed { [] (frozen -> <> !frozen) }
#endif
