#!/usr/bin/env python3
"""Tests of static_evidence.py's parts on small samples, and of its occupancy against the toolkit's. Optional argument:
the program kvscope_toolkit_occupancy."""

import itertools
import subprocess
import sys
import unittest

from evidence import kernel_tables, occupancy, ptxas_report, sass
from evidence.architectures import ARCHITECTURES

PTXAS = """\
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function '_Z5firstv' for 'sm_90a'
ptxas info    : Function properties for _Z5firstv
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 168 registers, used 1 barriers, 2048 bytes smem, 400 bytes cmem[0]
ptxas info    : Compiling entry function '_Z6secondv' for 'sm_80'
ptxas info    : Function properties for _Z6secondv
    48 bytes stack frame, 44 bytes spill stores, 12 bytes spill loads
ptxas info    : Function properties for _Z6helperv
    0 bytes stack frame, 4 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 32 registers, used 0 barriers
"""

# An outer loop with two inner ones: the second multiplies more. The last branch, to itself, ends the code.
SASS = """\
\t.target\tsm_90
//--------------------- .text._Z4loopv --------------------------
\t.section\t.text._Z4loopv,"ax",@progbits
_Z4loopv:
.text._Z4loopv:
        /*0000*/                   S2R R0, SR_TID.X ;
.L_x_0:
        /*0010*/                   IADD3 R1, R1, 0x1, RZ ;
.L_x_1:
        /*0020*/                   HMMA.16816.F32.BF16 R4, R8, R12, R4 ;
        /*0030*/              @P0  BRA `(.L_x_1) ;
.L_x_2:
        /*0040*/                   LDSM.16.M88.4 R12, [R60+UR4] ;
        /*0050*/              @!PT LDS RZ, [RZ] ;
        /*0060*/                   LDGSTS.E.BYPASS.128 [R2], desc[UR6][R12.64] ;
        /*0070*/                   HMMA.16816.F32 R4, R8.reuse, R12, R4 ;
        /*0080*/                   HMMA.16816.F32 R16, R8, R14, R16 ;
        /*0090*/                   MUFU.EX2 R5, R5 ;
        /*00a0*/                   MUFU.RCP R6, R6 ;
        /*00b0*/                   FFMA R7, R7, R8, R9 ;
        /*00c0*/                   FFMA2 R18, R18, R20, R22 ;
        /*00d0*/                   IMAD.MOV.U32 R9, RZ, RZ, R7 ;
        /*00e0*/                   LOP3.LUT R10, R9, 0x3, RZ, 0xc0, !PT ;
        /*00f0*/                   SHFL.BFLY PT, R11, R10, 0x1, 0x1f ;
        /*0100*/                   UIADD3 UR4, UR4, 0x1, URZ ;
        /*0110*/                   LDS.64 R2, [R3] ;
        /*0120*/             @!UP0 UMOV UR5, URZ ;
        /*0130*/              @!P1 BRA `(.L_x_2) ;
        /*0140*/              @P2  BRA `(.L_x_0) ;
        /*0150*/                   EXIT ;
.L_x_3:
        /*0160*/                   BRA `(.L_x_3);
//--------------------- .text._Z8straightv --------------------------
.text._Z8straightv:
        /*0000*/                   EXIT ;
"""


class Ptxas(unittest.TestCase):
    def test_reads_each_kernel(self):
        first, second = ptxas_report.parse(PTXAS)
        self.assertEqual((first.symbol, first.architecture, first.registers, first.shared_bytes),
                         ("_Z5firstv", "sm_90", 168, 2048))
        self.assertFalse(first.spills)
        self.assertEqual((second.architecture, second.registers, second.shared_bytes), ("sm_80", 32, 0))

    def test_a_called_function_spills_for_its_kernel(self):
        second = ptxas_report.parse(PTXAS)[1]
        self.assertTrue(second.spills)
        self.assertEqual((second.spill_store_bytes, second.spill_load_bytes), (48, 12))

    def test_says_nothing_of_nothing(self):
        self.assertEqual(ptxas_report.parse("nvcc warning : something else\n"), [])


class Sass(unittest.TestCase):
    def setUp(self):
        self.functions = sass.parse(SASS)

    def test_finds_functions_labels_and_instructions(self):
        self.assertEqual(list(self.functions), ["_Z4loopv", "_Z8straightv"])
        function = self.functions["_Z4loopv"]
        self.assertEqual(len(function.instructions), 23)
        self.assertEqual(function.labels[".L_x_2"], 0x40)
        self.assertEqual(function.instructions[3].target, ".L_x_1")

    def test_finds_loops_but_not_the_end_of_the_code(self):
        self.assertEqual(sass.loops(self.functions["_Z4loopv"]), [(1, 20), (2, 3), (4, 19)])

    def test_the_main_loop_is_the_innermost_with_most_products(self):
        loop = sass.main_loop(self.functions["_Z4loopv"])
        self.assertEqual((loop[0].address, loop[-1].address), (0x40, 0x130))

    def test_code_without_loops_has_no_main_loop(self):
        self.assertEqual(sass.main_loop(self.functions["_Z8straightv"]), [])

    def test_counts_what_the_loop_asks_of_each_unit(self):
        mix = sass.mix(sass.main_loop(self.functions["_Z4loopv"]), ARCHITECTURES["sm_90"])
        counts = {unit: mix.counts[unit] for unit in ("tensor", "special", "shared", "shuffle", "float", "multiply",
                                                      "integer", "uniform", "control")}
        self.assertEqual(counts, {"tensor": 2, "special": 2, "shared": 3, "shuffle": 1, "float": 2, "multiply": 1,
                                  "integer": 1, "uniform": 2, "control": 1})
        self.assertEqual(mix.exponentials, 1)
        # 2 products of 4096 FLOP; 2 x 32 of 16 lanes; 512 + 512 + 256 bytes of 128 and a shuffle; 3 float lanes' worth
        # and a multiplication in 128 lanes; 32 of 64 lanes; 16 instructions of 4.
        self.assertEqual(mix.cycles, {"tensor": 2.0, "special": 4.0, "shared": 11.0, "float": 1.0, "integer": 0.5,
                                      "issue": 4.0})
        self.assertEqual((mix.limiter, mix.bound), ("shared", 11.0))
        self.assertAlmostEqual(mix.tensor_share, 2 / 11)

    def test_refuses_a_product_whose_shape_it_does_not_know(self):
        with self.assertRaises(ValueError):
            sass.tensor_flop(sass.Instruction(0, "HMMA.9999.F32", ""))


class Occupancy(unittest.TestCase):
    def test_each_limit_binds(self):
        sm_80 = ARCHITECTURES["sm_80"]
        self.assertEqual(occupancy.resident_blocks(sm_80, 32, 16, 0), 32)  # blocks
        self.assertEqual(occupancy.resident_blocks(sm_80, 512, 32, 0), 4)  # threads
        self.assertEqual(occupancy.resident_blocks(sm_80, 128, 255, 0), 2)  # registers: 2048 of 16384 a warp
        self.assertEqual(occupancy.resident_blocks(sm_80, 128, 32, 80 * 1024), 2)  # 81 of 164 KiB
        self.assertEqual(occupancy.resident_blocks(sm_80, 128, 32, 163 * 1024), 1)
        self.assertEqual(occupancy.resident_blocks(sm_80, 128, 32, 164 * 1024), 0)

    @unittest.skipIf(len(sys.argv) < 2, "no CUDA toolkit")
    def test_agrees_with_the_toolkit(self):
        questions = [(ARCHITECTURES[name], threads, registers, shared) for name, threads, registers, shared in
                     itertools.product(ARCHITECTURES, (32, 64, 96, 128, 192, 256, 384, 512, 1024),
                                       (16, 24, 32, 40, 56, 64, 72, 80, 96, 128, 168, 200, 255),
                                       (0, 1000, 4096, 16384, 33000, 48 * 1024, 64 * 1024, 99 * 1024))]
        lines = []
        for architecture, threads, registers, shared in questions:
            number = architecture.name.removeprefix("sm_")
            lines.append(f"{number[:-1]} {number[-1]} {architecture.threads} {architecture.shared_bytes} "
                         f"{architecture.shared_bytes_per_block} {threads} {registers} {shared}")
        answers = subprocess.run([sys.argv[1]], input="\n".join(lines), capture_output=True, text=True,
                                 check=True).stdout.split()
        self.assertEqual(len(answers), len(questions))
        for question, answer in zip(questions, answers):
            self.assertEqual(occupancy.resident_blocks(*question), int(answer), question)


class Document(unittest.TestCase):
    def kernel(self, name, architecture="sm_80"):
        resources = ptxas_report.KernelResources("symbol", architecture, registers=100)
        return kernel_tables.KernelEvidence(name, resources, kernel_tables.LaunchShape(128, 1024, "a problem"))

    def test_names_are_those_of_the_kernels(self):
        name = kernel_tables.kernel_name(
            "void kvscope::gpu::run_kernel<kvscope::gpu::Attend<kvscope::gpu::BFloat16, (int)64> >"
            "(kvscope::gpu::Attend<kvscope::gpu::BFloat16, (int)64>)")
        self.assertEqual(name, "Attend<BFloat16, 64>")
        self.assertEqual(kernel_tables.kernel_name("kvscope::gpu::Attend<kvscope::gpu::BFloat16, 64>"), name)

    def test_lists_every_kernel_of_every_architecture(self):
        kernels = {name: [self.kernel("A<float>", name), self.kernel("B", name)] for name in ARCHITECTURES}
        text = kernel_tables.document(kernels, "1", "2")
        self.assertEqual(kernel_tables.documented_kernels(text), {name: ["A<float>", "B"] for name in ARCHITECTURES})
        names = {name: ["A<float>", "B"] for name in ARCHITECTURES}
        self.assertEqual(kernel_tables.differences(text, names), [])

    def test_names_what_is_missing_and_what_is_gone(self):
        kernels = {name: [self.kernel("A", name)] for name in ARCHITECTURES}
        text = kernel_tables.document(kernels, "1", "2")
        self.assertEqual(kernel_tables.differences(text, {"sm_80": ["B"]}),
                         ["sm_80: B is not in the document", "sm_80: there is no kernel A any more"])
        self.assertIn("there is no table of sm_86", kernel_tables.differences("", {}))

    def test_occupancy_counts_dynamic_shared_memory(self):
        kernel = self.kernel("A")
        kernel.shape.shared_bytes = 100 * 1024
        self.assertEqual(kernel.resident_blocks(), 1)
        self.assertIn("| 0 + 102400 | 1 | 6 % |", kernel_tables.resource_row(kernel))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
