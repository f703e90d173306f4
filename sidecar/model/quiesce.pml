/* The quiesce protocol, version 1 (../PROTOCOL.md), for snapshots: executors that freeze, read, resume and publish; sidecars
 * with their guardians; agents that write; one control.json, written by compare-and-set under a lock that can be lost.
 *
 * Run `make model`; README.md says what is left out and how to read a counterexample. Macros choose what a run contains:
 *   EXECUTORS 1|2   with epochs 1 and 2, at work at the same time
 *   SIDECARS 1|2    each with an agent of its own
 *   LOST_LOCKS      any write may be decided now and land later, in two halves, on top of what others wrote meanwhile
 *   DEATHS          one sidecar may be killed at any step, and is started again
 *   HANGS           an executor may die at any step, or hang while it reads with its lease thread alive
 *   LIVENESS        time passes fairly: see Clock and Guardian
 * BUG_… macros take one rule of the protocol away, and each must be found.
 *
 * A safety run needs no step for "stopped" or "slow": any process may rest for ever between two steps, while the others go on.
 */
#ifndef EXECUTORS
#define EXECUTORS 1
#endif
#ifndef SIDECARS
#define SIDECARS 2
#endif
#define SLOTS 2

mtype = { RUNNING, REQUEST_FREEZE, FROZEN, REQUEST_RESUME }

/* `held` of an acknowledgement. */
#define UNSAID 0
#define HELD   1
#define BROKEN 2

/* control.json. An id is a slot (0, 1) and a life: a sidecar that is started again has a new id. A nonce is random in truth; here
 * it is the epoch of the freeze, since an id freezes once in an epoch; 0 is "no acknowledgement". `lease` is lease_seq, of
 * which only matters that it moves. `seq` and `end` tell whole documents from halves: 0 in a write under the lock; a late write
 * takes a number that nobody else uses at the time, for which real writers count on by a random step. */
typedef Document {
  byte seq;
  mtype state;
  byte epoch;
  bit lease;
  byte life[SLOTS];     /* expects */
  byte nonce[SLOTS];    /* acks */
  byte held[SLOTS];
  bit error[SLOTS];
  byte end
};

Document doc;              /* what stands in the file */
#ifdef LOST_LOCKS
Document late[LOST_LOCKS];   /* writes that were decided without the lock, and have not landed yet */
byte late_by[LOST_LOCKS];    /* who waits for each; 0 is nobody */
byte tag;
#endif

/* The agents: what is written lies in the agent's mount (`dirty`) until it is flushed; only then do other mounts read it. */
bool frozen[SLOTS];
bool dirty[SLOTS];

/* The guardians. */
#define IDLE   0
#define ARMED  1
#define DUE    2
#define LAPSED 3
byte lease[SLOTS];

/* The registrations: the life of the sidecar that holds the lock, 0 where its owner is dead. */
byte living[SLOTS];
bool killed[SLOTS];     /* by the environment */
bool orphan[SLOTS];     /* a killed sidecar's guardian, which has not noticed yet */

/* The executors. */
bool reading[EXECUTORS];   /* between the first and the last read of the last phase */
bool torn[EXECUTORS];      /* what was read is not what all agents had at one instant */
bool asked[EXECUTORS], ended[EXECUTORS];
bool overdue[EXECUTORS];   /* LIVENESS: the deadline of the phase, or of the task, has passed */
bool gone[EXECUTORS];      /* HANGS: killed, or hung for good */

/* Time is abstract. In a safety run every deadline may pass at any step, which contains every real clock. For liveness it
 * must pass at last, and not while it is moved on and on. */
#ifdef LIVENESS
#ifdef BUG_NO_LEASE
#define EXPIRED(i) false
#else
#define EXPIRED(i) (lease[i] == DUE)
#endif
#define SIGN_OF_LIFE(l) !l
#define TIME_UP(e) overdue[e]
#define IN_TIME(e) !overdue[e]
#else
#define EXPIRED(i) (lease[i] == ARMED)
#define SIGN_OF_LIFE(l) l
#define TIME_UP(e) true
#define IN_TIME(e) true
#endif

/* ---- control.json ------------------------------------------------------------------------------------------------------ */

#ifdef BUG_HALF_IS_BELIEVED
#define READABLE true
#else
#define READABLE (doc.seq == doc.end)
#endif

inline clear(d) {
  d.seq = 0; d.end = 0; d.state = RUNNING; d.epoch = 0; d.lease = 0;
  d.life[0] = 0; d.nonce[0] = 0; d.held[0] = UNSAID; d.error[0] = 0;
  d.life[1] = 0; d.nonce[1] = 0; d.held[1] = UNSAID; d.error[1] = 0
}

inline copy_first_half(from, to) {
  to.seq = from.seq; to.state = from.state; to.epoch = from.epoch; to.lease = from.lease;
  to.life[0] = from.life[0]; to.life[1] = from.life[1]
}

inline copy_second_half(from, to) {
  to.nonce[0] = from.nonce[0]; to.held[0] = from.held[0]; to.error[0] = from.error[0];
  to.nonce[1] = from.nonce[1]; to.held[1] = from.held[1]; to.error[1] = from.error[1];
  to.end = from.end
}

inline copy(from, to) { copy_first_half(from, to); copy_second_half(from, to) }

/* The document that a writer is about to write: read and edited in one atomic step. */
hidden Document next;

inline take_present() { copy(doc, next) }

/* Compare-and-set. With the lock, decision and write are one step. Without it what was decided on the document of now is on its
 * way, and its writer waits for the system call. LOST_LOCKS is how many such writes there may be at a time. */
inline put(me) {
  if
  :: next.seq = 0; next.end = 0; copy(next, doc); printf("      control.json: %e of epoch %d\n", doc.state, doc.epoch)
#ifdef LOST_LOCKS
  :: late_by[0] == 0 -> put_late(0, me)
#if LOST_LOCKS > 1
  :: late_by[0] != 0 && late_by[1] == 0 -> put_late(1, me)
#endif
#endif
  fi
}

#ifdef LOST_LOCKS
#if LOST_LOCKS > 1
#define UNUSED(t) (doc.seq != t && doc.end != t && late[0].seq != t && late[1].seq != t)
#else
#define UNUSED(t) (doc.seq != t && doc.end != t)
#endif
inline put_late(n, me) {
#ifdef BUG_EQUAL_SEQ
  tag = 1;
#else
  tag = (UNUSED(1) -> 1 : (UNUSED(2) -> 2 : (UNUSED(3) -> 3 : 4)));
#endif
  next.seq = tag; next.end = tag; tag = 0;
  copy(next, late[n]);
  late_by[n] = me;
  printf("      lock lost: %e of epoch %d is on its way\n", next.state, next.epoch)
}
#endif

#ifndef LOST_LOCKS
#define WRITTEN(me)  true
#elif LOST_LOCKS == 1
#define WRITTEN(me)  (late_by[0] != me)
#else
#define WRITTEN(me)  (late_by[0] != me && late_by[1] != me)
#endif
#define SIDECAR(i)   (1 + i + 2 * life)
#define EXECUTOR(e)  (10 + e)

#ifdef LOST_LOCKS
proctype Network(byte n) {
end:
  do
  :: atomic { late_by[n] != 0 -> copy_first_half(late[n], doc); printf("      the first half lands\n") };
     atomic { copy_second_half(late[n], doc); printf("      the second half lands\n"); clear(late[n]); late_by[n] = 0 }
  od
}
#endif

/* ---- agents and guardians ---------------------------------------------------------------------------------------------- */

/* An agent writes in every instant in which it can run: each write lies in its buffer, and spoils what is being read. That is
 * the worst agent there is; one that writes less spoils less, and nothing else depends on it. */
inline let_run(i) {
  frozen[i] = false; dirty[i] = true;
  torn[0] = torn[0] || reading[0];
#if EXECUTORS > 1
  torn[1] = torn[1] || reading[1]
#endif
}

#ifndef BUG_NO_GUARDIAN
proctype Guardian(byte i) {
end:
  do
#ifdef LIVENESS
  :: lease[i] == ARMED -> lease[i] = DUE      /* a renewal that comes now makes it ARMED again */
#endif
  :: d_step { EXPIRED(i) -> lease[i] = LAPSED; let_run(i); printf("guardian %d: the lease ends; thaws\n", i) }
  :: d_step { lease[i] == LAPSED && frozen[i] -> let_run(i); printf("guardian %d: thaws again\n", i) }   /* goes on thawing until it is armed again */
  :: d_step { orphan[i] -> orphan[i] = false; let_run(i); printf("guardian %d: its sidecar is gone; thaws\n", i) }           /* its pipe has closed */
  od
}
#endif

/* ---- sidecars ---------------------------------------------------------------------------------------------------------- */

#define MINE(i)     (READABLE && EPOCH_IS(epoch) && doc.life[i] == life)
#ifdef BUG_NO_EPOCH
#define EPOCH_IS(n) true
#define NEWER(n)    false
#define FOR_ME(i)   (READABLE && doc.state == REQUEST_FREEZE && doc.life[i] == life && doc.nonce[i] == 0 && !doc.error[i])
#else
#define EPOCH_IS(n) (doc.epoch == n)
#define NEWER(n)    (READABLE && doc.epoch > n)
#define FOR_ME(i)   (READABLE && doc.state == REQUEST_FREEZE && doc.epoch > epoch && doc.life[i] == life)
#endif

#ifdef BUG_NONCE_NOT_COMPARED
#define KNOWS_ME(i) true
#else
#define KNOWS_ME(i) (doc.nonce[i] == nonce)
#endif

/* The answer that must stand in the document does not (ParticipantMachine.edit). Too late to say "frozen" into a resume. */
#define UNANSWERED(i) (MINE(i) && (nonce != 0 || error) \
  && !(doc.state != REQUEST_FREEZE && doc.state != FROZEN && nonce != 0 && held == UNSAID) \
  && (doc.nonce[i] != nonce || doc.held[i] != held || doc.error[i] != error \
      || (doc.state == REQUEST_FREEZE && ALL_FROZEN(doc)) || (doc.state == REQUEST_RESUME && ALL_SAID(doc))))
#define ALL_FROZEN(d) (SAYS_FROZEN(d, 0) && SAYS_FROZEN(d, 1))
#define SAYS_FROZEN(d, i) (!d.life[i] || (d.nonce[i] && d.held[i] == UNSAID && !d.error[i]))
#define ALL_SAID(d)   ((!d.nonce[0] || d.held[0] != UNSAID) && (!d.nonce[1] || d.held[1] != UNSAID))

inline answer(i) {
  take_present();
  next.nonce[i] = nonce; next.held[i] = held; next.error[i] = error;
  if
  :: next.state == REQUEST_FREEZE && ALL_FROZEN(next) -> next.state = FROZEN
  :: next.state == REQUEST_RESUME && ALL_SAID(next) -> next.state = RUNNING
  :: else
  fi;
  printf("sidecar %d: answers (epoch %d, nonce %d, held %d, error %d)\n", i, epoch, nonce, held, error);
  put(SIDECAR(i))
}

/* Thaws, and will say that this freeze is worth nothing. */
inline fail() { error = 1; held = (nonce -> BROKEN : UNSAID) }

proctype Sidecar(byte i) {
  byte life = 1;
  byte epoch, nonce, held;     /* the epoch acted in; what must stand in the document */
  bit error, seen;             /* seen: lease_seq as last read */

end_running: {
#ifdef BUG_RESTART_CARRIES_ON
  if
  :: nonce != 0 -> goto frozen_
  :: else
  fi;
#endif
end_idle:
  do
  :: atomic { FOR_ME(i) ->
       epoch = doc.epoch; seen = doc.lease; nonce = 0; held = UNSAID; error = 0
     };
     break
  :: atomic { UNANSWERED(i) -> answer(i) ; WRITTEN(SIDECAR(i)) }
  od;

  /* Armed before anything is frozen; asked once it is, since the guardian may have thawed what was not frozen yet. */
  atomic { lease[i] = ARMED; printf("sidecar %d: arms its guardian for epoch %d\n", i, epoch) };
  atomic { frozen[i] = true; printf("sidecar %d: freezes\n", i) };
  if
  :: atomic { lease[i] == LAPSED -> fail() }; goto thawing
  :: lease[i] != LAPSED
  fi;

  /* The flush; between files a look whether it is still wanted. */
  if
#ifdef BUG_NO_FLUSH
  :: true
#else
  :: atomic { dirty[i] = !frozen[i]; printf("sidecar %d: flushes\n", i) }
#endif
  :: atomic { NEWER(epoch) || (MINE(i) && doc.state != REQUEST_FREEZE) || EXPIRED(i) || lease[i] == LAPSED -> fail() };
     goto thawing
#ifndef LIVENESS
  :: atomic { fail() }; goto thawing       /* EIO; or the deadline, by its own clock */
#endif
#ifdef HANGS
  :: goto end_stuck                            /* in the file system, or stopped, for good */
#endif
  fi;
  atomic { nonce = epoch };                /* then open-files.json, then: */

frozen_:
  do
  :: atomic { UNANSWERED(i) -> answer(i) ; WRITTEN(SIDECAR(i)) }
  :: atomic { NEWER(epoch) -> nonce = 0; held = UNSAID; error = 0 }; goto thawing
  :: atomic { MINE(i) && doc.state == RUNNING -> fail() }; goto thawing
  :: MINE(i) && doc.state == REQUEST_RESUME && KNOWS_ME(i) -> goto asking
  :: atomic { MINE(i) && doc.state == REQUEST_RESUME && !KNOWS_ME(i) -> fail() }; goto thawing
  :: atomic { MINE(i) && (doc.state == REQUEST_FREEZE || doc.state == FROZEN) && doc.lease != seen -> seen = doc.lease };
     if                                    /* the guardian extends a lease that has not lapsed */
     :: atomic { lease[i] != LAPSED -> lease[i] = ARMED }
     :: atomic { lease[i] == LAPSED -> fail() }; goto thawing
     fi
  :: atomic { EXPIRED(i) || lease[i] == LAPSED -> fail() }; goto thawing   /* its own clock */
  od;

asking:
  /* The thaw waits for nobody. A lease that has not lapsed after it had not lapsed before it either. */
  atomic { let_run(i); printf("sidecar %d: thaws\n", i) };
  atomic {
    if
    :: lease[i] != LAPSED -> held = HELD
#ifdef BUG_GUARDIAN_NOT_ASKED
    :: lease[i] == LAPSED -> held = HELD
#else
    :: lease[i] == LAPSED -> fail()
#endif
    fi;
    lease[i] = IDLE; printf("sidecar %d: asks its guardian (held %d)\n", i, held)
  };
  goto end_idle;

thawing:
#ifdef BUG_THAW_WAITS_FOR_LOCK
  lease[i] = IDLE;
  if
  :: true
  :: goto end_stuck                            /* whoever holds the lock may hold it for ever */
  fi;
#endif
  atomic { let_run(i); lease[i] = IDLE; printf("sidecar %d: thaws (held %d)\n", i, held) };
  goto end_idle;

end_stuck:
  false
  } unless { killed[i] };

  /* Its registration's lock has gone with it, its guardian will notice. It is started again, with a new id. */
  atomic {
    killed[i] = false; printf("sidecar %d: killed\n", i);
    living[i] = 0; orphan[i] = true; lease[i] = IDLE
  };
  if
  :: true
  :: goto stays_dead
  fi;
#ifdef BUG_RESTART_CARRIES_ON
  /* As if nothing had happened: the old id, the freeze as the document tells it, a lease that is armed anew. */
  d_step { let_run(i); orphan[i] = false };
  d_step { living[i] = life; lease[i] = ARMED; frozen[i] = true };
#else
  /* It thaws what its predecessor had frozen, and sees to it that the old guardian thaws nothing of its own later. */
#ifdef BUG_OLD_GUARDIAN_LIVES
  d_step { let_run(i) };
#else
  d_step { let_run(i); orphan[i] = false };
#endif
  if
  :: atomic { READABLE && doc.life[i] == life && doc.state != RUNNING && doc.held[i] == UNSAID && !doc.error[i] ->
       take_present();
       next.error[i] = 1; next.held[i] = (next.nonce[i] -> BROKEN : UNSAID);
       put(SIDECAR(i)); WRITTEN(SIDECAR(i))
     }
  :: else
  fi;
  atomic { printf("sidecar %d: started again\n", i); life = life + 1; epoch = 0; nonce = 0; held = UNSAID; error = 0; seen = 0; living[i] = life };
#endif
  goto end_running;

stays_dead:
  skip
}

/* ---- executors --------------------------------------------------------------------------------------------------------- */

#ifdef PROBE_PUBLISHES
#define PUBLISHABLE false        /* so that the run shows that the line is reached */
#else
#define PUBLISHABLE !torn[e]
#endif

#define EPOCH        (e + 1)
#ifdef BUG_NO_EPOCH
#define OURS         (READABLE && asked[e])
#define OVERTAKEN    false
#else
#define OURS         (READABLE && doc.epoch == EPOCH && asked[e])
#define OVERTAKEN    (READABLE && doc.epoch > EPOCH)
#endif
#define RELEASED     (doc.state == REQUEST_RESUME || doc.state == RUNNING)

#ifdef BUG_ONE_ACKNOWLEDGEMENT_IS_ENOUGH
#define ALL_ACKNOWLEDGED (doc.nonce[0] && doc.held[0] == UNSAID)
#define ALL_HELD         (ANSWERS(0))
#else
#define ALL_ACKNOWLEDGED (doc.state == FROZEN && ALL_FROZEN(doc))
#ifdef BUG_FROZEN_SEEN_AGAIN_IS_ENOUGH
#define ALL_HELD         true
#else
#define ALL_HELD         (ANSWERS(0) && (ANSWERS(1) || !life[1]))
#endif
#endif
#ifdef BUG_NONCE_NOT_COMPARED
#define ANSWERS(i)   (doc.held[i] == HELD)
#define OTHER(i)     false
#else
#define ANSWERS(i)   (doc.held[i] == HELD && doc.nonce[i] == nonce[i])
#define OTHER(i)     (doc.nonce[i] && doc.nonce[i] != nonce[i])
#endif

#ifdef BUG_RELEASE_BY_OTHERS_FORGOTTEN
#define RELEASED_BY_OTHERS false
#else
#define RELEASED_BY_OTHERS released_by_others
#endif

/* What proves that a sandbox did not stay frozen (CoordinatorMachine.firstBreach). */
#define BREACH       (doc.error[0] || doc.error[1] || OTHER(0) || OTHER(1) || doc.held[0] == BROKEN || doc.held[1] == BROKEN)

#define MISSING(i)        (living[i] != life[i] && !(OURS && doc.nonce[i]))
#define MISSING_ANSWER(i) (living[i] != life[i] && !(OURS && doc.held[i] != UNSAID))

/* The document as it stands where it is of this epoch, else a blank one. */
inline take_ours() {
  if
  :: OURS -> take_present()
  :: else -> clear(next); next.epoch = EPOCH; next.life[0] = life[0]; next.life[1] = life[1]
  fi
}

inline add_missing(i) {
  if
  :: next.nonce[i] == 0 -> next.nonce[i] = nonce[i]
  :: else
  fi
}

/* FROZEN stands: one more lease_seq, and back in what a writer without the lock has dropped. */
inline renew() {
  if
  :: OURS && RELEASED                   /* by somebody else; found out by the look after the last read */
  :: OVERTAKEN
  :: else ->
       take_ours();
       if :: next.state == RUNNING -> next.state = FROZEN :: else fi;
       add_missing(0); add_missing(1);
       next.lease = SIGN_OF_LIFE(next.lease);
       put(EXECUTOR(e))
  fi
}

proctype Executor(byte e) {
  byte life[SLOTS], nonce[SLOTS];
  bool released_by_others, resumed;

  {
  /* An executor that starts releases what one of its name had frozen; whether that one is really dead it cannot know. */
#if EXECUTORS > 1
  if
  :: atomic { e == 1 && READABLE && doc.epoch == 1 && (doc.state == REQUEST_FREEZE || doc.state == FROZEN) ->
       take_present();
       printf("executor %d: starts, and releases what epoch 1 had frozen\n", e + 1);
       next.state = REQUEST_RESUME;
       next.nonce[0] = 0; next.held[0] = UNSAID; next.nonce[1] = 0; next.held[1] = UNSAID;
       put(EXECUTOR(e)); WRITTEN(EXECUTOR(e))
     }
  :: true
  fi;
#endif

  /* 1. Who. This model asks once both are there; who comes later is the subject of newcomer.pml. */
  if
  :: atomic { living[0] && (living[1] || SIDECARS == 1) && IN_TIME(e) -> life[0] = living[0]; life[1] = living[1] }
  :: TIME_UP(e) -> goto done
  fi;

  /* 2. Ask. */
  atomic {
    if
    :: READABLE && doc.epoch >= EPOCH -> goto done
    :: else ->
         take_ours();
         next.state = REQUEST_FREEZE; asked[e] = true; printf("executor %d: asks\n", e + 1);
         put(EXECUTOR(e))
    fi;
    WRITTEN(EXECUTOR(e))
  };
#ifdef BUG_READS_BEFORE_FROZEN
  atomic { reading[e] = true; torn[e] = dirty[0] || dirty[1]; printf("executor %d: first read\n", e + 1) };
#endif

  /* 3. Wait. */
  do
  :: OVERTAKEN -> goto abandon
  :: atomic { IN_TIME(e) && !OURS && !OVERTAKEN -> take_ours(); next.state = REQUEST_FREEZE; put(EXECUTOR(e)) ; WRITTEN(EXECUTOR(e)) }
  :: atomic { IN_TIME(e) && OURS && doc.state == REQUEST_FREEZE -> take_present(); next.lease = SIGN_OF_LIFE(next.lease); put(EXECUTOR(e)) ; WRITTEN(EXECUTOR(e)) }
  :: OURS && (RELEASED || doc.error[0] || doc.error[1]) -> goto abandon
  :: MISSING(0) || MISSING(1) -> goto abandon          /* the dead do not acknowledge */
  :: atomic { OURS && IN_TIME(e) && ALL_ACKNOWLEDGED -> nonce[0] = doc.nonce[0]; nonce[1] = doc.nonce[1]; printf("executor %d: sees FROZEN\n", e + 1) }; break
  :: TIME_UP(e) -> goto abandon
  od;

  /* 5. Read. What phase one cloned while the agents worked counts for nothing here: the last phase looks at all of it again. */
#ifndef BUG_READS_BEFORE_FROZEN
  atomic { reading[e] = true; torn[e] = dirty[0] || dirty[1]; printf("executor %d: first read\n", e + 1) };
#endif
  do
  :: atomic { IN_TIME(e) -> renew() ; WRITTEN(EXECUTOR(e)) }
  :: break
#ifdef HANGS
  :: goto hung
#endif
  od;
#ifndef BUG_RESUMES_BEFORE_LAST_READ
  atomic { reading[e] = false; printf("executor %d: last read\n", e + 1) };
#endif

  /* 6. After the last read: the registrations, the document, then the resume with the acknowledgements that were seen. */
  if
  :: OVERTAKEN || (OURS && (RELEASED || BREACH || doc.held[0] == HELD || doc.held[1] == HELD)) -> goto abandon
  :: living[0] > life[0] || living[1] > life[1] -> goto abandon
  :: else
  fi;
resume:
  atomic {
    if
    :: OVERTAKEN -> goto done
    :: else ->
         if
         :: !resumed && OURS && RELEASED -> released_by_others = true
         :: else
         fi;
         resumed = true; printf("executor %d: resumes\n", e + 1);
         take_ours();
         next.state = REQUEST_RESUME;
         add_missing(0); add_missing(1);
         put(EXECUTOR(e))
    fi;
    WRITTEN(EXECUTOR(e))
  };
#ifdef BUG_RESUMES_BEFORE_LAST_READ
  atomic { reading[e] = false; printf("executor %d: last read\n", e + 1) };
#endif

  /* 7. Wait for the proof. */
  do
  :: OVERTAKEN -> goto done
  :: IN_TIME(e) && !OURS && !OVERTAKEN -> goto resume
  :: RELEASED_BY_OTHERS -> goto done
  :: OURS && BREACH -> goto done
  :: IN_TIME(e) && OURS && (doc.state == FROZEN || doc.state == REQUEST_FREEZE) && !BREACH -> goto resume
  :: OURS && RELEASED && !BREACH && !RELEASED_BY_OTHERS && ALL_HELD -> goto publish
  :: MISSING_ANSWER(0) || MISSING_ANSWER(1) -> goto done
  :: TIME_UP(e) -> goto done
  od;

publish:
  atomic { printf("executor %d: publishes\n", e + 1); assert(PUBLISHABLE) };
  goto done;

#ifdef HANGS
hung:  /* in a read that never comes back; the lease thread lives, until the task is cancelled */
  do
#ifdef BUG_LEASE_OUTLIVES_TASK
  :: atomic { renew() ; WRITTEN(EXECUTOR(e)) }
#else
  :: atomic { IN_TIME(e) -> renew() ; WRITTEN(EXECUTOR(e)) }
#endif
  :: TIME_UP(e) -> gone[e] = true
  od;
#endif

  /* To give up is to resume without acknowledgements: nobody can take it for a resume after the last read. */
abandon:
  atomic {
    if
    :: OVERTAKEN || (OURS && doc.state == RUNNING)
    :: else ->
         printf("executor %d: gives up\n", e + 1);
         take_ours();
         next.state = REQUEST_RESUME;
         next.nonce[0] = 0; next.held[0] = UNSAID; next.nonce[1] = 0; next.held[1] = UNSAID;
         put(EXECUTOR(e))
    fi;
    WRITTEN(EXECUTOR(e))
  }
  } unless { gone[e] };

done:
  atomic { reading[e] = false; torn[e] = false; ended[e] = true; life[0] = 0; life[1] = 0; nonce[0] = 0; nonce[1] = 0; released_by_others = false; resumed = false }
}

/* ---- the environment --------------------------------------------------------------------------------------------------- */

#ifdef DEATHS
active proctype Killer() {
  killed[SIDECARS - 1] = true
}
#endif

#ifdef LIVENESS
/* The deadlines of waits and of the task: they pass at last. */
proctype Clock(byte e) {
  overdue[e] = true
}

#ifdef HANGS
active proctype Fate() {
  if
  :: gone[0] = true
  :: true
  fi
}
#endif
#endif

init {
  atomic {
    doc.state = RUNNING;
#ifndef BUG_NO_GUARDIAN
    run Guardian(0);
#if SIDECARS > 1
    run Guardian(1);
#endif
#endif
    living[0] = 1; dirty[0] = true; run Sidecar(0);
#if SIDECARS > 1
    living[1] = 1; dirty[1] = true; run Sidecar(1);
#endif
    run Executor(0);
#if EXECUTORS > 1
    run Executor(1);
#endif
#ifdef LOST_LOCKS
    run Network(0);
#if LOST_LOCKS > 1
    run Network(1);
#endif
#endif
#ifdef LIVENESS
    run Clock(0);
#endif
  }
}

#ifdef LIVENESS
ltl thawed_0 { [] (frozen[0] -> <> !frozen[0]) }
ltl thawed_1 { [] (frozen[1] -> <> !frozen[1]) }
ltl ends     { [] (asked[0] -> <> (ended[0] || gone[0])) }
#endif
