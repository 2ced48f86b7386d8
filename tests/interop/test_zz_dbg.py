from tests.interop.test_ups_clients import *
from tests.helpers.reactors import reactor
import vmodem.ups.upsd as U, time
def test_x(reactor, tmp_path):
    stage=Stage(reactor,tmp_path)
    orig=U.Upsd.accept
    t0=time.time()
    def acc(self,inc):
        print("%.1f accept"%(time.time()-t0)); orig(self,inc)
    U.Upsd.accept=acc
    import vmodem.ups.conversation as C
    oa=C.Conversation.answer
    def ans(self,line):
        r=oa(self,line); print("%.1f"%(time.time()-t0),line,r.text); return r
    C.Conversation.answer=ans
    m=Upsmon(stage,"mon","primary"); m.wait_login()
    a,b=stage.services
    for e in (a,b): e.release(None)
    print("%.1f closed"%(time.time()-t0), stage.desk.ports)
    m.wait("COMMBAD")
    print("%.1f bad"%(time.time()-t0))
    for e in (a,b): e.apply(e.config)
    print(stage.desk.ports)
    try: stage.reactor.run_for(14)
    finally:
        m.process.kill(); print(m.process.communicate()[0], m.told)
    stage.stop()
