/* Who must answer: a sidecar that comes while an executor freezes the others (../PROTOCOL.md: Registration, The executor 1, 3 and
 * 6, Found at the start). It starts its agent itself, which may end soon, and then it leaves no trace.
 *
 * One epoch, one executor that may die, one sidecar that was there before (OLD) and one that comes at any step (NEW). The handshake
 * itself is the subject of quiesce.pml: here acknowledgements have no nonces, and writes are never lost.
 */
#define OLD 0
#define NEW 1

#define RUNNING        0
#define REQUEST_FREEZE 1
#define FROZEN         2
#define REQUEST_RESUME 3

/* An acknowledgement. */
#define NONE   0
#define STANDS 1     /* held: null */
#define HELD   2
#define BROKEN 3     /* held: false, or an error */

/* control.json. OLD is always expected. */
byte state = RUNNING;
bit lease_seq;
bool expects_new;
byte ack[2];

bool registered;     /* NEW's registration, with its lock */
bool runs[2];        /* the agents: they write whenever they run */
bool dead;           /* the executor */
bool reading, torn;
bool old_lapsed;     /* OLD's lease has ended under the freeze */
bool started;        /* NEW's agent */

#ifdef LIVENESS
bool overdue;        /* deadlines pass at last */
active proctype Clock() { overdue = true }
#define IN_TIME !overdue
#else
#define IN_TIME true
#endif

#define UNDER_WAY (state != RUNNING)
#define ALL(a)    (ack[OLD] == a && (!expects_new || ack[NEW] == a))

inline acknowledge(i) {
  ack[i] = STANDS;
  if
  :: ALL(STANDS) -> state = FROZEN
  :: else
  fi
}

/* The last of those that are expected sets RUNNING. */
inline answer(i, a) {
  ack[i] = a;
  if
  :: state == REQUEST_RESUME && ack[OLD] != STANDS && ack[NEW] != STANDS -> state = RUNNING
  :: else
  fi
}

inline let_run(i) { runs[i] = true; torn = torn || reading }

active proctype Executor() {
  bool seen_frozen;
  {
  atomic { expects_new = registered; printf("executor: looks who is there\n") };   /* who */
  atomic { state = REQUEST_FREEZE; ack[OLD] = NONE; ack[NEW] = NONE; printf("executor: asks\n") };
  do
  /* Looks at the registrations again and again; a newcomer is asked as well, under a lease_seq that has moved. */
  :: atomic { IN_TIME && registered && !expects_new && (state == REQUEST_FREEZE || state == FROZEN) ->
       expects_new = true; lease_seq = !lease_seq; state = REQUEST_FREEZE; seen_frozen = false; printf("executor: asks the newcomer too\n") }
  :: atomic { IN_TIME && state == REQUEST_FREEZE -> lease_seq = !lease_seq }
  :: atomic { state == FROZEN && ALL(STANDS) && !seen_frozen -> seen_frozen = true; printf("executor: sees FROZEN\n") }
#ifndef BUG_NO_LOOK_AFTER_FROZEN
  :: atomic { seen_frozen && (expects_new || !registered) }; break    /* looked again, and nobody new is there */
#else
  :: atomic { seen_frozen }; break
#endif
  :: ack[OLD] == BROKEN || ack[NEW] == BROKEN -> goto abandon
  :: atomic { expects_new && !registered && ack[NEW] == NONE }; goto abandon
  :: goto abandon                                               /* the deadline, or cancelled */
  od;
  atomic { reading = true; torn = runs[OLD] || runs[NEW]; printf("executor: first read\n") };
  do
  :: atomic { IN_TIME && state == FROZEN -> lease_seq = !lease_seq }
  :: break
  od;
  atomic { reading = false; printf("executor: last read\n") };
  if
  :: (registered && !expects_new) || ack[OLD] != STANDS || (expects_new && ack[NEW] != STANDS) -> goto abandon
  :: atomic { else -> state = REQUEST_RESUME; printf("executor: looks again, resumes\n") }
  fi;
  do
  :: atomic { ALL(HELD) -> printf("executor: publishes\n"); assert(!torn) }; break
  :: ack[OLD] == BROKEN || ack[NEW] == BROKEN || (expects_new && !registered && ack[NEW] == STANDS) -> break
  :: break
  od;
  goto done;
abandon:
  atomic {
    if
    :: state != RUNNING -> state = REQUEST_RESUME; ack[OLD] = NONE; ack[NEW] = NONE
    :: else
    fi
  }
  } unless { dead };
done:
  atomic { reading = false; torn = false }
}

active proctype Killer() {
  if
  :: dead = true
  :: true
  fi
}

/* There from the beginning, and its agent runs. */
active proctype OldSidecar() {
  runs[OLD] = true;
end:
  state == REQUEST_FREEZE;
  atomic { runs[OLD] = false; printf("old: freezes\n") };
  if
  :: atomic { state == REQUEST_FREEZE && ack[OLD] == NONE -> acknowledge(OLD) }
  :: atomic { state != REQUEST_FREEZE -> let_run(OLD); answer(OLD, BROKEN) }; goto over
  fi;
  do
  :: atomic { state == REQUEST_FREEZE && ack[OLD] == STANDS && ALL(STANDS) -> acknowledge(OLD) }
  :: atomic { state == REQUEST_RESUME && ack[OLD] == STANDS -> let_run(OLD); answer(OLD, HELD); printf("old: thaws, held\n") }; break
  :: atomic { (state == REQUEST_RESUME && ack[OLD] != STANDS) || state == RUNNING -> let_run(OLD); answer(OLD, BROKEN) }; break
  :: atomic { old_lapsed = true; printf("old: the lease ends\n"); let_run(OLD); answer(OLD, BROKEN) }; break
  od;
over:
  skip
}

active proctype NewSidecar() {
  bool found, silent, frozen, acted, dead_before;
  bit found_seq;

  /* What it finds before anybody can know of it was asked of others. */
  atomic { found = UNDER_WAY; found_seq = lease_seq; dead_before = dead; printf("new: reads the document for the first time (under way %d)\n", found) };
  atomic { registered = true; printf("new: registers\n") };
  /* From here on it is seen by whoever looks. Whoever looked before has perhaps written since. */
#ifndef BUG_NO_LOOK_AFTER_REGISTERING
  atomic {
    if
    :: UNDER_WAY && !expects_new && !found -> found = true; found_seq = lease_seq
    :: else
    fi;
    printf("new: reads it again (found %d)\n", found)
  };
#endif
  do
  :: atomic { found && !UNDER_WAY -> found = false; silent = false }
  :: atomic { found && UNDER_WAY && lease_seq != found_seq ->
       found_seq = lease_seq; silent = false;
       found = !(state == REQUEST_FREEZE && expects_new) }
  /* lease_seq has not moved for a whole lease. By then the lease of whoever stands still has ended: it counts from an earlier
   * sign of life, or from the same. */
  :: atomic { found && !silent && UNDER_WAY && lease_seq == found_seq && (runs[OLD] || dead) && (old_lapsed || ack[OLD] != STANDS) -> silent = true; printf("new: the executor is silent for a lease\n") }

#ifdef BUG_STARTS_BESIDE_A_FREEZE
  :: atomic { !started && !frozen -> started = true; let_run(NEW); printf("new: starts its agent\n") }
#else
  :: atomic { !started && !frozen && (!found || silent) -> started = true; let_run(NEW); printf("new: starts its agent\n") }
#endif
#ifdef BUG_OBEYS_WHAT_IT_FOUND
  :: atomic { !acted && state == REQUEST_FREEZE ->
#else
  :: atomic { !acted && !found && state == REQUEST_FREEZE && expects_new ->
#endif
       assert(!dead_before);      /* a dead executor's request freezes nobody */
       acted = true; frozen = true; runs[NEW] = false; printf("new: freezes\n") };
     if
     :: atomic { state == REQUEST_FREEZE && ack[NEW] == NONE -> acknowledge(NEW) }
     :: atomic { state != REQUEST_FREEZE -> frozen = false;
          if :: started -> let_run(NEW) :: else fi; answer(NEW, BROKEN) }
     fi
  :: atomic { frozen && state == REQUEST_FREEZE && ack[NEW] == STANDS && ALL(STANDS) -> acknowledge(NEW) }
  :: atomic { frozen && state == REQUEST_RESUME ->
       frozen = false;
       if :: started -> let_run(NEW) :: else fi;
       if :: ack[NEW] == STANDS -> answer(NEW, HELD) :: else -> answer(NEW, BROKEN) fi }
  :: atomic { frozen && (state == RUNNING || state == FROZEN || state == REQUEST_FREEZE) ->   /* its lease ends */
       frozen = false;
       if :: started -> let_run(NEW) :: else fi; answer(NEW, BROKEN) }
  /* Its agent has ended: nothing of either is left. */
  :: atomic { started && !frozen && runs[NEW] -> runs[NEW] = false; printf("new: the agent ends\n") };
     atomic { registered = false; printf("new: leaves\n") }; break
  od
}

#ifdef LIVENESS
ltl starts { <> started }
#endif
