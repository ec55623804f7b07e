import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gpuFactsSchema } from "@fmlab/experiment";
import { describe, expect, it } from "vitest";
import { openGpuReader } from "../src/gpu/gpu-reader.ts";
import { parseSmiCsv, parseSmiXml, SMI_FIELDS, SMI_FIELDS_OLD } from "../src/gpu/smi-text.ts";
import { temporaryFolder } from "./fixtures/command.ts";

const MIB = 2 ** 20;
const GB10 = [
  "NVIDIA GB10, GPU-dd, [N/A], [N/A], 580.95.05, 12.1",
  "[N/A], 5, 1, 16, [Not Supported], [N/A], 3003, [N/A], [Unknown Error]",
];
const CSV = [
  "NVIDIA H100 PCIe, GPU-aa, 81559, 80994, 580.65.06, 9.0, 5, 5, 16, 16, 1755, 1593, 1755, 1593, 350.00",
  "NVIDIA H200, GPU-bb, 143771, 143156, 580.65.06, 9.0, 5, 5, 16, 16, 1980, 3201, 1980, 3201, 700.00",
  "NVIDIA GeForce RTX 3090, GPU-cc, 24576, 23917, 550.54.15, 8.6, 1, 4, 16, 16, 210, 405, 2100, 9751, 350.00",
  GB10.join(", "),
].join("\n");

/** One card of `nvidia-smi -q -x`, in the words of driver 550 unless told otherwise. */
const card = (uuid: string, power: string, more: { utilisation?: string; rates?: string } = {}) => `
	<gpu id="00000000:17:00.0">
		<product_name>NVIDIA H100 PCIe</product_name>
		<mig_mode><current_mig>Disabled</current_mig></mig_mode>
		<uuid>${uuid}</uuid>
		<pci>
			<pci_bus>17</pci_bus>
			<pci_gpu_link_info>
				<pcie_gen>
					<max_link_gen>5</max_link_gen>
					<current_link_gen>5</current_link_gen>
					<device_current_link_gen>5</device_current_link_gen>
				</pcie_gen>
				<link_widths><max_link_width>16x</max_link_width></link_widths>
			</pci_gpu_link_info>
			${more.rates ?? "<tx_util>250 KB/s</tx_util><rx_util>53950000 KB/s</rx_util>"}
		</pci>
		<fb_memory_usage>
			<total>81559 MiB</total>
			<reserved>551 MiB</reserved>
			<used>40000 MiB</used>
			<free>41008 MiB</free>
		</fb_memory_usage>
		<bar1_memory_usage><total>131072 MiB</total><free>131071 MiB</free></bar1_memory_usage>
		${more.utilisation ?? "<utilization><gpu_util>97 %</gpu_util><memory_util>41 %</memory_util></utilization>"}
		<temperature>
			<gpu_temp>45 C</gpu_temp>
			<gpu_temp_max_threshold>95 C</gpu_temp_max_threshold>
		</temperature>
		${power}
		<clocks><graphics_clock>1755 MHz</graphics_clock><sm_clock>1740 MHz</sm_clock><mem_clock>1593 MHz</mem_clock></clocks>
		<max_clocks><sm_clock>1755 MHz</sm_clock><mem_clock>2619 MHz</mem_clock></max_clocks>
	</gpu>`;
const log = (...cards: string[]) => `<?xml version="1.0" ?>
<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v12.dtd">
<nvidia_smi_log>
	<timestamp>Mon Nov 23 22:00:00 2026</timestamp>
	<driver_version>550.54.15</driver_version>
	<cuda_version>12.4</cuda_version>
	<attached_gpus>${cards.length}</attached_gpus>${cards.join("")}
</nvidia_smi_log>`;
const POWER =
  "<gpu_power_readings><power_state>P0</power_state><power_draw>120.31 W</power_draw>" +
  "<current_power_limit>350.00 W</current_power_limit></gpu_power_readings>";
const SAMPLE = {
  gpuUtilisation: 97,
  gpuMemoryUtilisation: 41,
  gpuVramBytes: (81_559 - 41_008) * MIB,
  gpuPowerW: 120.31,
  gpuSmClockMHz: 1_740,
  gpuMemoryClockMHz: 1_593,
  gpuTemperatureC: 45,
  gpuPcieRxMBps: 53_950,
  gpuPcieTxMBps: 0.25,
  gpuPcieGeneration: 5,
};

describe("what nvidia-smi lists", () => {
  it("becomes facts of H100, H200 and RTX 3090, each with all it tells", () => {
    const gpus = parseSmiCsv(CSV, SMI_FIELDS);
    expect(gpus.map(({ uuid }) => uuid)).toEqual(["GPU-aa", "GPU-bb", "GPU-cc", "GPU-dd"]);
    expect(gpus[2]?.facts).toEqual({
      name: "NVIDIA GeForce RTX 3090",
      memoryBytes: 24_576 * MIB,
      driver: "550.54.15",
      memoryFreeBytes: 23_917 * MIB,
      computeCapability: "8.6",
      pcie: { generation: 1, generationMax: 4, width: 16, widthMax: 16 },
      clocks: { smMHz: 210, memoryMHz: 405, smMaxMHz: 2_100, memoryMaxMHz: 9_751 },
      powerLimitW: 350,
    });
    expect(gpus[1]?.facts).toMatchObject({ memoryBytes: 143_771 * MIB, powerLimitW: 700 });
    for (const { facts } of gpus) expect(gpuFactsSchema.parse(facts)).toEqual(facts);
  });

  it("leaves out what a card does not tell, and knows no VRAM where memory is shared", () => {
    expect(parseSmiCsv(CSV, SMI_FIELDS)[3]?.facts).toEqual({
      name: "NVIDIA GB10",
      memoryBytes: 0,
      driver: "580.95.05",
      computeCapability: "12.1",
      pcie: { generationMax: 5, width: 1, widthMax: 16 },
      clocks: { smMaxMHz: 3_003 },
    });
  });

  it("is nothing where there is no card or no driver", () => {
    for (const told of [
      "No devices were found\n",
      'Field "compute_cap" is not a valid field to query.\n',
      "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n",
      "",
    ]) {
      expect(parseSmiCsv(told, SMI_FIELDS)).toEqual([]);
    }
  });
});

describe("the XML of nvidia-smi", () => {
  it("tells the CUDA version and a sample of each card", () => {
    const { cudaVersion, gpus } = parseSmiXml(log(card("GPU-aa", POWER), card("GPU-bb", POWER)));
    expect(cudaVersion).toBe("12.4");
    expect(gpus).toEqual([
      { uuid: "GPU-aa", sample: SAMPLE },
      { uuid: "GPU-bb", sample: SAMPLE },
    ]);
  });

  it.each([
    ["driver 470", POWER.replaceAll("gpu_power_readings", "power_readings"), 120.31],
    [
      "driver 580",
      POWER.replace(
        "<power_draw>",
        "<average_power_draw>99.00 W</average_power_draw><instant_power_draw>",
      ).replace("</power_draw>", "</instant_power_draw>"),
      120.31,
    ],
    ["a card without a meter", POWER.replace("120.31 W", "N/A"), undefined],
  ])("is read in the words of %s", (_, power, watt) => {
    const [gpu] = parseSmiXml(log(card("GPU-aa", power))).gpus;
    expect(gpu?.sample.gpuPowerW).toBe(watt);
  });

  it("has no number for what a card does not tell", () => {
    const silent = {
      utilisation:
        "<utilization><gpu_util>N/A</gpu_util><memory_util>N/A</memory_util></utilization>",
      rates: "<tx_util>N/A</tx_util><rx_util>N/A</rx_util>",
    };
    const [gpu] = parseSmiXml(log(card("GPU-aa", POWER, silent))).gpus;
    const { gpuUtilisation: _a, gpuMemoryUtilisation: _b, ...rest } = SAMPLE;
    const { gpuPcieRxMBps: _c, gpuPcieTxMBps: _d, ...left } = rest;
    expect(gpu?.sample).toEqual(left);
    expect(parseSmiXml("")).toEqual({ cudaVersion: undefined, gpus: [] });
  });
});

describe("nvidia-smi, where NVML cannot be called", () => {
  /** A program of that name which prints what was recorded; an old one refuses new fields. */
  function smiFolder(isOld: boolean): string {
    const folder = temporaryFolder();
    const old = "NVIDIA GeForce GTX 1080, GPU-aa, 8192, 418.39";
    writeFileSync(join(folder, "new.csv"), isOld ? "" : CSV);
    writeFileSync(join(folder, "old.csv"), old);
    writeFileSync(join(folder, "log.xml"), log(card("GPU-bb", POWER), card("GPU-aa", POWER)));
    const refuse = isOld ? 'echo "Field is not a valid field to query."; exit 2' : ":";
    const script = `#!/bin/sh
case "$1" in
  --query-gpu=${SMI_FIELDS.join(",")}) ${refuse}; exec /bin/cat ${folder}/new.csv;;
  --query-gpu=${SMI_FIELDS_OLD.join(",")}) exec /bin/cat ${folder}/old.csv;;
  -q) exec /bin/cat ${folder}/log.xml;;
esac
exit 1
`;
    writeFileSync(join(folder, "nvidia-smi"), script);
    chmodSync(join(folder, "nvidia-smi"), 0o755);
    return folder;
  }
  const env = (isOld: boolean, more = {}) => ({
    PATH: smiFolder(isOld),
    FMLAB_NVML_LIBRARY: join(temporaryFolder(), "missing.so"),
    ...more,
  });

  it("tells facts and samples of the cards that CUDA shows, matched by UUID", async () => {
    const reader = await openGpuReader(env(false, { CUDA_VISIBLE_DEVICES: "0,1" }));
    expect(reader?.source).toBe("nvidia-smi");
    const facts = (await reader?.facts()) ?? [];
    expect(facts.map(({ name }) => name)).toEqual(["NVIDIA H100 PCIe", "NVIDIA H200"]);
    expect(facts[0]).toMatchObject({ cudaVersion: "12.4", computeCapability: "9.0" });
    expect(await reader?.sample()).toEqual([SAMPLE, SAMPLE]);
  });

  it("is asked for less when its driver is too old for the rest", async () => {
    const reader = await openGpuReader(env(true));
    expect(await reader?.facts()).toEqual([
      {
        name: "NVIDIA GeForce GTX 1080",
        memoryBytes: 8_192 * MIB,
        driver: "418.39",
        cudaVersion: "12.4",
      },
    ]);
  });

  it("finds nothing on a machine without it", async () => {
    const nothing = { PATH: temporaryFolder(), FMLAB_NVML_LIBRARY: "/nonexistent.so" };
    expect(await openGpuReader(nothing)).toBeUndefined();
  });
});
